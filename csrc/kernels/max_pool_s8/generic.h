// max_pool_s8 in the vocabulary of one instruction set; included inside its namespace.

void pool(const uint8_t* image, const Images& x, const PoolWindow& row, const PoolWindow& col,
          uint8_t* y) {
  constexpr ptrdiff_t block = 4 * kLanes;
  for (ptrdiff_t c = 0; c < x.channels; c += block) {
    const ptrdiff_t n = x.channels - c < block ? x.channels - c : block;
    U8 most = splat_codes(0);
    for (ptrdiff_t iy = row.start; iy < row.stop; iy += row.step) {
      for (ptrdiff_t ix = col.start; ix < col.stop; ix += col.step) {
        most = max_codes(most, load_codes(image + (iy * x.w + ix) * x.channels + c, n));
      }
    }
    store_codes(y + c, most, n);
  }
}

constexpr MaxPoolS8Variant kVariant = {pool};
