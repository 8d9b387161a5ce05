// One step of an optimizer on the elements of one parameter, in place, in one pass over memory.
//
// Every operation is one float32 operation in the order written; the settings are float32 too.
#pragma once

#include <cstddef>

namespace qg {

// g' = (maximize ? -g : g) + weight_decay * p        (no sum if weight_decay is 0)
// b  = first ? g' : b * momentum + damped * g'       (no product if damped is 1)
// p -= lr * (nesterov ? g' + momentum * b : b)       (g' itself without momentum, where b is null)
struct SgdSettings {
  float lr, momentum, damped, weight_decay;
  bool nesterov, maximize, first;
};
void sgd_f32(float* p, const float* g, float* b, ptrdiff_t n, const SgdSettings& s);

// p *= keep                                          (if keep is not 1: decoupled weight decay)
// g' = (maximize ? -g : g) + weight_decay * p        (no sum if weight_decay is 0)
// m += (g' - m) * rate1
// v = v * beta2 + (g' * g') * rate2
// p -= (m / (sqrt(v) / root + eps)) * step
struct AdamSettings {
  float keep, weight_decay, rate1, beta2, rate2, root, eps, step;
  bool maximize;
};
void adam_f32(float* p, const float* g, float* m, float* v, ptrdiff_t n, const AdamSettings& s);

}  // namespace qg
