#include "kernels/conv2d_s8/conv2d_s8.h"

#include <algorithm>
#include <cstring>

namespace qg {
namespace {

bool is_depthwise(const ConvSpec& spec) {
  return spec.groups > 1 && spec.groups == spec.in_channels && spec.groups == spec.out_channels;
}

ptrdiff_t group_channels(const ConvSpec& spec) { return spec.in_channels / spec.groups; }

// The GEMM reads pixels where they lie if a tap is whole groups of four codes; else the window is
// copied, so that only its end and not every tap is filled up to four.
bool reads_pixels(const ConvSpec& spec) {
  return group_channels(spec) % 4 == 0 || spec.taps() == 1;
}

ptrdiff_t window_bytes(const ConvSpec& spec) { return spec.taps() * group_channels(spec); }

ptrdiff_t copied_bytes(const ConvSpec& spec) { return (window_bytes(spec) + 3) / 4 * 4; }

// Row pointers of a block: one per tap, and one per copied window.
ptrdiff_t pointer_count(const ConvSpec& spec, ptrdiff_t block) { return (spec.taps() + 1) * block; }

// One tap of all windows: a constant size is worth the switch, since first layers have 1 or 3
// channels.
template <ptrdiff_t Bytes>
void copy_tap(const uint8_t* const* rows, ptrdiff_t count, uint8_t* to, ptrdiff_t stride) {
  for (ptrdiff_t i = 0; i < count; ++i, to += stride) std::memcpy(to, rows[i], Bytes);
}

// Windows side by side: windows[i] = the codes under every tap of rows[...][i], `stride` bytes
// apart.
void copy_windows(const uint8_t* const* rows, ptrdiff_t count, ptrdiff_t taps, ptrdiff_t tap_bytes,
                  uint8_t* windows, ptrdiff_t stride) {
  for (ptrdiff_t tap = 0; tap < taps; ++tap, rows += count, windows += tap_bytes) {
    switch (tap_bytes) {
      case 1:
        copy_tap<1>(rows, count, windows, stride);
        break;
      case 2:
        copy_tap<2>(rows, count, windows, stride);
        break;
      case 3:
        copy_tap<3>(rows, count, windows, stride);
        break;
      default:
        for (ptrdiff_t i = 0; i < count; ++i) {
          std::memcpy(windows + i * stride, rows[i], static_cast<size_t>(tap_bytes));
        }
    }
  }
}

}  // namespace

PackedConv::PackedConv(const ConvSpec& spec, const int8_t* weights, const int32_t* bias,
                       const float* mult, int32_t zx, const OutputCodes& out)
    : spec_(spec), block_(block_rows(window_bytes(spec))) {
  if (is_depthwise(spec)) {
    depthwise_.emplace(spec, weights, bias, mult, zx, out);
    return;
  }
  padding_.assign(static_cast<size_t>(spec.in_channels), static_cast<uint8_t>(zx));
  const ptrdiff_t columns = spec.out_channels / spec.groups;
  const ptrdiff_t taps = reads_pixels(spec) ? spec.taps() : 1;
  const ptrdiff_t tap_bytes = window_bytes(spec) / taps;
  groups_.reserve(static_cast<size_t>(spec.groups));
  for (ptrdiff_t first = 0; first < spec.out_channels; first += columns) {
    const GemmWeights w{weights + first * window_bytes(spec),
                        bias + first,
                        mult + first,
                        columns,
                        taps,
                        tap_bytes,
                        zx};
    groups_.emplace_back(w, out);
  }
}

size_t PackedConv::scratch_bytes() const {
  if (depthwise_) return depthwise_->scratch_bytes();
  const size_t pointers = static_cast<size_t>(pointer_count(spec_, block_)) * sizeof(void*);
  return pointers + (reads_pixels(spec_) ? 0 : static_cast<size_t>(block_ * copied_bytes(spec_)));
}

bool PackedConv::current() const {
  if (depthwise_) return depthwise_->current();
  return std::all_of(groups_.begin(), groups_.end(),
                     [](const auto& group) { return group.current(); });
}

size_t PackedConv::bytes() const {
  size_t bytes = padding_.size() + (depthwise_ ? depthwise_->bytes() : 0);
  for (const PackedWeights& group : groups_) bytes += group.bytes();
  return bytes;
}

void PackedConv::run(const Images& x, uint8_t* y, ptrdiff_t begin, ptrdiff_t end,
                     uint8_t* scratch) const {
  if (depthwise_) return depthwise_->run(x, y, begin, end, scratch);
  for (; begin < end; begin += block_) {
    run_block(x, y + begin * spec_.out_channels, begin, std::min(block_, end - begin), scratch);
  }
}

void PackedConv::run_block(const Images& x, uint8_t* y, ptrdiff_t begin, ptrdiff_t count,
                           uint8_t* scratch) const {
  const auto rows = reinterpret_cast<const uint8_t**>(scratch);
  const ptrdiff_t pointers = count * spec_.taps();
  const ptrdiff_t tap_bytes = group_channels(spec_), columns = spec_.out_channels / spec_.groups;
  window_rows(spec_, x, padding_.data(), begin, count, rows);
  for (size_t group = 0; group < groups_.size(); ++group, y += columns) {
    if (reads_pixels(spec_)) {
      groups_[group].multiply({rows, count, count, spec_.taps(), tap_bytes}, y, spec_.out_channels);
    } else {
      const uint8_t** windows = rows + pointers;
      uint8_t* copies =
          scratch + pointer_count(spec_, block_) * static_cast<ptrdiff_t>(sizeof(void*));
      const ptrdiff_t stride = copied_bytes(spec_);
      for (ptrdiff_t i = 0; i < count; ++i) windows[i] = copies + i * stride;
      copy_windows(rows, count, spec_.taps(), tap_bytes, copies, stride);
      groups_[group].multiply({windows, count, count, 1, window_bytes(spec_)}, y,
                              spec_.out_channels);
    }
    for (ptrdiff_t i = 0; i < pointers; ++i) rows[i] += tap_bytes;
  }
}

}  // namespace qg
