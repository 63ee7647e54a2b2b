// What holds for every header of miou: what it needs, the version, and what a shared library
// exports. Every header begins with it, so that what is missing is the first error, and the last: a
// file that does not exist ends a compilation.
#pragma once

#include <boost/version.hpp>

#if __cplusplus < 202002L
#error "miou needs C++20: compile with -std=c++20 (in Meson: cpp_std=c++20)"
#include "see_the_error_above"
#elif defined(__clang__) ? __clang_major__ < 16 : __GNUC__ < 12
#error "miou needs a newer compiler: g++ 12 or clang 16, or later"
#include "see_the_error_above"
#elif BOOST_VERSION < 108100
#error "miou needs a newer Boost: 1.81 or later (is an older one earlier in the include path?)"
#include "see_the_error_above"
#endif

/// The version, as 10,000 times the major number, 100 times the minor number and the patch number:
/// 0.2.0 is 200. The build checks that it is the version of the project.
#define MIOU_VERSION 200

/// Names that a shared library of miou gives to programs. All others are hidden in it. So what a
/// program is compiled with, `-fvisibility=hidden` for example, does not matter: exceptions are
/// caught by their type on both sides.
#define MIOU_API [[gnu::visibility("default")]]
