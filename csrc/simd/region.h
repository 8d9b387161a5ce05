// Target regions: code between QG_TARGET_BEGIN and QG_TARGET_END may use the named features, and
// nothing outside may. setuptools has no per-file flags, and flags would let inline functions of a
// faster build leak into code that runs everywhere.
#pragma once

#define QG_PRAGMA(text) _Pragma(#text)

#if defined(__clang__)
#define QG_TARGET_BEGIN(features) \
  QG_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define QG_TARGET_END QG_PRAGMA(clang attribute pop)
#else
#define QG_TARGET_BEGIN(features) QG_PRAGMA(GCC push_options) QG_PRAGMA(GCC target(features))
#define QG_TARGET_END QG_PRAGMA(GCC pop_options)
#endif

// The vocabulary is meaningless as calls: operands would travel through memory.
#define QG_INLINE static inline __attribute__((always_inline))
// The same for lambdas, between their parameters and their body.
#define QG_INLINED __attribute__((always_inline))

// For loops over registers: an array that is indexed by a loop variable lives in memory.
#if defined(__clang__)
#define QG_UNROLL QG_PRAGMA(clang loop unroll(full))
#else
#define QG_UNROLL QG_PRAGMA(GCC unroll 32)
#endif
