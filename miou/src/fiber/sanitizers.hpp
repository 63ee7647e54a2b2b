// Which sanitizer the code is built with.
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MIOU_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define MIOU_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define MIOU_ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
#define MIOU_TSAN 1
#endif
