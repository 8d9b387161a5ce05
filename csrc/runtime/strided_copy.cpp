#include "runtime/strided_copy.h"

#include <algorithm>
#include <cstring>

namespace qg {
namespace {

constexpr ptrdiff_t kTile = 32;

template <class T>
void copy_line(const T* x, T* y, const CopyAxis& axis) {
  if (axis.x_step == 1 && axis.y_step == 1) {
    std::memcpy(y, x, static_cast<size_t>(axis.size) * sizeof(T));
    return;
  }
  for (ptrdiff_t i = 0; i < axis.size; ++i) y[i * axis.y_step] = x[i * axis.x_step];
}

// Two axes in square tiles, so that neither side is walked across a whole cache.
template <class T>
void copy_plane(const T* x, T* y, const CopyAxis& a, const CopyAxis& b) {
  for (ptrdiff_t i0 = 0; i0 < a.size; i0 += kTile) {
    const ptrdiff_t i1 = std::min(a.size, i0 + kTile);
    for (ptrdiff_t j0 = 0; j0 < b.size; j0 += kTile) {
      const CopyAxis part{std::min(b.size, j0 + kTile) - j0, b.x_step, b.y_step};
      for (ptrdiff_t i = i0; i < i1; ++i) {
        copy_line(x + i * a.x_step + j0 * b.x_step, y + i * a.y_step + j0 * b.y_step, part);
      }
    }
  }
}

template <class T>
void copy_axes(const T* x, T* y, const CopyAxis* axis, const CopyAxis* last) {
  if (axis == last) return copy_line(x, y, *axis);
  if (axis + 1 == last && last->x_step != 1) return copy_plane(x, y, *axis, *last);
  for (ptrdiff_t i = 0; i < axis->size; ++i) {
    copy_axes(x + i * axis->x_step, y + i * axis->y_step, axis + 1, last);
  }
}

template <class T>
void copy_typed(const uint8_t* x, uint8_t* y, const std::vector<CopyAxis>& axes) {
  copy_axes(reinterpret_cast<const T*>(x), reinterpret_cast<T*>(y), axes.data(),
            axes.data() + axes.size() - 1);
}

}  // namespace

std::vector<CopyAxis> joined_axes(const std::vector<CopyAxis>& axes) {
  std::vector<CopyAxis> joined;
  for (const CopyAxis& axis : axes) {
    if (axis.size == 0) return {{0, 1, 1}};
    if (axis.size == 1) continue;
    CopyAxis* const outer = joined.empty() ? nullptr : &joined.back();
    if (outer != nullptr && outer->x_step == axis.size * axis.x_step &&
        outer->y_step == axis.size * axis.y_step) {
      *outer = {outer->size * axis.size, axis.x_step, axis.y_step};
    } else {
      joined.push_back(axis);
    }
  }
  if (joined.empty()) joined.push_back({1, 1, 1});
  return joined;
}

void strided_copy(const uint8_t* x, uint8_t* y, const std::vector<CopyAxis>& axes,
                  ptrdiff_t itemsize) {
  if (axes[0].size == 0) return;
  if (itemsize == 1) return copy_typed<uint8_t>(x, y, axes);
  if (itemsize == 4) return copy_typed<uint32_t>(x, y, axes);
  copy_typed<uint64_t>(x, y, axes);
}

}  // namespace qg
