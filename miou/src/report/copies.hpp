// Several copies of miou in one process.
#pragma once

#include <string>

namespace miou::detail {

/// Says so, to go on after a message without its full stop, and names the files that they are in;
/// empty if there is one copy. None knows the tasks of another: what a task of one calls in another
/// is called outside of tasks.
std::string hint_at_copies();

} // namespace miou::detail
