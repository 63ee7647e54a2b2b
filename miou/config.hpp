// What holds for every header of miou: the version, and what a shared library exports.
#pragma once

/// The version, as 10,000 times the major number, 100 times the minor number and the patch number:
/// 0.2.0 is 200. The build checks that it is the version of the project.
#define MIOU_VERSION 200

/// Names that a shared library of miou gives to programs. All others are hidden in it. So what a
/// program is compiled with, `-fvisibility=hidden` for example, does not matter: exceptions are
/// caught by their type on both sides.
#define MIOU_API [[gnu::visibility("default")]]
