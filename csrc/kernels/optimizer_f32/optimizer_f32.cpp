#include "kernels/optimizer_f32/optimizer_f32.h"

#include <cmath>

#include "parallel.h"

namespace qg {
namespace {

// Limited by memory: the compiler's own vectors are enough, once the choices are out of the loop.
template <bool kDecay, bool kMomentum, bool kNesterov, bool kDamped>
void sgd(float* p, const float* g, float* b, ptrdiff_t begin, ptrdiff_t end, const SgdSettings& s) {
  const float sign = s.maximize ? -1.0f : 1.0f;  // exact
  for (ptrdiff_t i = begin; i < end; ++i) {
    float step = g[i] * sign;
    if (kDecay) step = step + s.weight_decay * p[i];
    if (kMomentum) {
      const float added = kDamped ? s.damped * step : step;
      b[i] = b[i] * s.momentum + added;
      step = kNesterov ? step + s.momentum * b[i] : b[i];
    }
    p[i] -= s.lr * step;
  }
}

// The first step, where the buffer is a copy of the gradient.
template <bool kDecay>
void first_sgd(float* p, const float* g, float* b, ptrdiff_t begin, ptrdiff_t end,
               const SgdSettings& s) {
  const float sign = s.maximize ? -1.0f : 1.0f;
  for (ptrdiff_t i = begin; i < end; ++i) {
    float step = g[i] * sign;
    if (kDecay) step = step + s.weight_decay * p[i];
    b[i] = step;
    if (s.nesterov) step = step + s.momentum * b[i];
    p[i] -= s.lr * step;
  }
}

using Sgd = void (*)(float*, const float*, float*, ptrdiff_t, ptrdiff_t, const SgdSettings&);

template <bool kDecay>
Sgd chosen(bool momentum, const SgdSettings& s) {
  if (!momentum) return sgd<kDecay, false, false, false>;
  if (s.first) return first_sgd<kDecay>;
  if (s.damped != 1.0f) {  // and then there is no nesterov
    return s.nesterov ? sgd<kDecay, true, true, true> : sgd<kDecay, true, false, true>;
  }
  return s.nesterov ? sgd<kDecay, true, true, false> : sgd<kDecay, true, false, false>;
}

template <bool kDecay>
void adam(float* p, const float* g, float* m, float* v, ptrdiff_t begin, ptrdiff_t end,
          const AdamSettings& s) {
  const float sign = s.maximize ? -1.0f : 1.0f;
  for (ptrdiff_t i = begin; i < end; ++i) {
    const float kept = p[i] * s.keep;  // exact where keep is 1
    float grad = g[i] * sign;
    if (kDecay) grad = grad + s.weight_decay * kept;
    m[i] += (grad - m[i]) * s.rate1;
    v[i] = v[i] * s.beta2 + (grad * grad) * s.rate2;
    p[i] = kept - (m[i] / (std::sqrt(v[i]) / s.root + s.eps)) * s.step;
  }
}

}  // namespace

void sgd_f32(float* p, const float* g, float* b, ptrdiff_t n, const SgdSettings& s) {
  const bool momentum = b != nullptr;
  const Sgd run = s.weight_decay != 0.0f ? chosen<true>(momentum, s) : chosen<false>(momentum, s);
  parallel_elements(n, kMovedElements,
                    [&](ptrdiff_t begin, ptrdiff_t end) { run(p, g, b, begin, end, s); });
}

void adam_f32(float* p, const float* g, float* m, float* v, ptrdiff_t n, const AdamSettings& s) {
  parallel_elements(n, kComputedElements, [&](ptrdiff_t begin, ptrdiff_t end) {
    s.weight_decay != 0.0f ? adam<true>(p, g, m, v, begin, end, s)
                           : adam<false>(p, g, m, v, begin, end, s);
  });
}

}  // namespace qg
