"""Train a CNN on handwritten digits, quantize it, repair it at few bits, and ship it.

Run it: pip install ".[demo]" && python examples/quantize_digits.py
"""

import numpy as np
from sklearn.datasets import load_digits

import qgrad
from qgrad import nn
from qgrad.quantization import (
    QConfigMapping,
    convert,
    default_per_channel_qconfig,
    get_default_qat_qconfig_mapping,
    get_default_qconfig,
    get_default_qconfig_mapping,
    prepare,
    prepare_qat,
)
from qgrad.testing import count_differing_codes

rng = np.random.default_rng(0)
qgrad.manual_seed(0)

digits = load_digits()
pixels = (digits.images / 16).astype(np.float32)[:, None]
order = rng.permutation(len(pixels))
train, calibration, test = np.split(order, [1200, 1328])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 24, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(24)
        self.conv2 = nn.Conv2d(24, 24, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(24)
        self.conv3 = nn.Conv2d(24, 64, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(64 * 4, 10)

    def forward(self, x):
        x = nn.functional.relu(self.bn1(self.conv1(x)))
        x = self.pool(nn.functional.relu(x + self.bn2(self.conv2(x))))
        x = self.pool(nn.functional.relu(self.bn3(self.conv3(x))))
        return self.head(x.flatten(1))


def fit(model, epochs, lr):
    optimizer = qgrad.optim.AdamW(model.parameters(), lr=lr)
    schedule = qgrad.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    model.train()
    for _ in range(epochs):
        for batch in np.array_split(rng.permutation(train), 20):
            scores = model(qgrad.from_numpy(pixels[batch]))
            loss = nn.functional.cross_entropy(scores, qgrad.tensor(digits.target[batch]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return model.eval()


def accuracy(model):
    with qgrad.no_grad():
        scores = model(qgrad.from_numpy(pixels[test])).numpy()
    return f"{(scores.argmax(1) == digits.target[test]).mean():.2%}"


def quantize(model, mapping):
    prepared = prepare(model, mapping, (pixels[:1],))
    prepared(pixels[calibration])
    program = convert(prepared)
    assert count_differing_codes(prepared, program, pixels[test]) == 0
    return program


model = fit(Net(), epochs=10, lr=2e-3)
print("float32  ", accuracy(model))

mapping = (
    QConfigMapping()
    .set_global(get_default_qconfig())
    .set_object_type(nn.Conv2d, default_per_channel_qconfig)
    .set_module_name_regex(r"conv[12]", get_default_qconfig(weight_bits=6))
    .set_module_name("head", None)
)
print(mapping.resolve(model))
program = quantize(model, mapping)
print("int8 PTQ ", accuracy(program))

print("2-bit PTQ", accuracy(quantize(model, get_default_qconfig_mapping(weight_bits=2))))
qat = prepare_qat(model, get_default_qat_qconfig_mapping(weight_bits=2), (pixels[:1],))
print("2-bit QAT", accuracy(convert(fit(qat, epochs=6, lr=1e-3))))

program.save("digits-int8.safetensors")
print("loaded   ", accuracy(qgrad.Program.load("digits-int8.safetensors")))
