// batch_norm_f32 in the vocabulary of one instruction set; included inside its namespace.

#include "simd/functions.h"
#include "simd/lane_sum.h"

struct Lanes {
  F64 v[kSumVectors];

  QG_INLINE Lanes load(const double* lanes) {
    Lanes s;
    __builtin_memcpy(s.v, lanes, sizeof s.v);
    return s;
  }
  QG_INLINE void store(const Lanes& s, double* lanes) { __builtin_memcpy(lanes, s.v, sizeof s.v); }
};

// Calls one(i) for the elements before lane 0 and after the last full set of lanes, and
// eight(i) for the sets between.
template <class One, class Eight>
QG_INLINE void for_lanes(ptrdiff_t n, ptrdiff_t first, const One& one, const Eight& eight) {
  ptrdiff_t i = 0;
  for (; i < n && (first + i) % kSumLanes != 0; ++i) one(i);
  eight(i, n - (n - i) % kSumLanes);
  for (i = n - (n - i) % kSumLanes; i < n; ++i) one(i);
}

void channel_sum(const float* x, ptrdiff_t n, ptrdiff_t first, double* lanes) {
  for_lanes(
      n, first, [&](ptrdiff_t i) { lanes[(first + i) % kSumLanes] += static_cast<double>(x[i]); },
      [&](ptrdiff_t i, ptrdiff_t end) {
        Lanes s = Lanes::load(lanes);
        for (; i < end; i += kSumLanes) {
          for (int v = 0; v < kSumVectors; ++v) s.v[v] += load_wide(x + i + v * kWide);
        }
        Lanes::store(s, lanes);
      });
}

void channel_squares(const float* x, ptrdiff_t n, ptrdiff_t first, double mean, double* lanes) {
  for_lanes(
      n, first,
      [&](ptrdiff_t i) {
        const double centred = static_cast<double>(x[i]) - mean;
        lanes[(first + i) % kSumLanes] += centred * centred;
      },
      [&](ptrdiff_t i, ptrdiff_t end) {
        Lanes s = Lanes::load(lanes);
        for (; i < end; i += kSumLanes) {
          for (int v = 0; v < kSumVectors; ++v) {
            const F64 centred = load_wide(x + i + v * kWide) - mean;
            s.v[v] += centred * centred;
          }
        }
        Lanes::store(s, lanes);
      });
}

void channel_products(const float* g, const float* x, ptrdiff_t n, ptrdiff_t first, double mean,
                      double* g_lanes, double* product_lanes) {
  for_lanes(
      n, first,
      [&](ptrdiff_t i) {
        const double wide_g = static_cast<double>(g[i]);
        g_lanes[(first + i) % kSumLanes] += wide_g;
        product_lanes[(first + i) % kSumLanes] += wide_g * (static_cast<double>(x[i]) - mean);
      },
      [&](ptrdiff_t i, ptrdiff_t end) {
        Lanes s = Lanes::load(g_lanes), p = Lanes::load(product_lanes);
        for (; i < end; i += kSumLanes) {
          for (int v = 0; v < kSumVectors; ++v) {
            const F64 wide_g = load_wide(g + i + v * kWide);
            s.v[v] += wide_g;
            p.v[v] += wide_g * (load_wide(x + i + v * kWide) - mean);
          }
        }
        Lanes::store(s, g_lanes);
        Lanes::store(p, product_lanes);
      });
}

void channel_apply(const float* g, const float* x, ptrdiff_t n, float shift, float a, float mean,
                   float b, float* dx) {
  ptrdiff_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    store(dx + i, (load(g + i) - shift) * a + (load(x + i) - mean) * b);
  }
  for (; i < n; ++i) dx[i] = (g[i] - shift) * a + (x[i] - mean) * b;
}

constexpr BatchNormF32Variant kVariant = {channel_sum, channel_squares, channel_products,
                                          channel_apply};
