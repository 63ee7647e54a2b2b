// Everything of miou_unix but `executor.hpp` and `use_fiber.hpp`, which bring Asio's headers along.
#pragma once

#include "miou_unix/blocking.hpp"
#include "miou_unix/blocking_read.hpp"
#include "miou_unix/buffer.hpp"
#include "miou_unix/connect.hpp"
#include "miou_unix/datagram.hpp"
#include "miou_unix/file_descr.hpp"
#include "miou_unix/ownership.hpp"
#include "miou_unix/resolve.hpp"
#include "miou_unix/run.hpp"
#include "miou_unix/serve.hpp"
#include "miou_unix/sleep.hpp"
#include "miou_unix/sockaddr.hpp"
#include "miou_unix/socket.hpp"
#include "miou_unix/stop_request.hpp"
#include "miou_unix/timeout.hpp"
#include "miou_unix/until.hpp"
