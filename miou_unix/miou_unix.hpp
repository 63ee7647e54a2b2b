// Everything of miou_unix.
#pragma once

#include "miou_unix/blocking.hpp"
#include "miou_unix/buffer.hpp"
#include "miou_unix/datagram.hpp"
#include "miou_unix/file_descr.hpp"
#include "miou_unix/ownership.hpp"
#include "miou_unix/run.hpp"
#include "miou_unix/sleep.hpp"
#include "miou_unix/sockaddr.hpp"
#include "miou_unix/socket.hpp"
