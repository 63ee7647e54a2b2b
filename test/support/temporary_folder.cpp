#include "support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

namespace test {

namespace fs = std::filesystem;

temporary_folder::temporary_folder() {
    std::string name = fs::temp_directory_path() / "miou_test_XXXXXX";
    if (::mkdtemp(name.data()) == nullptr)
        throw std::system_error{errno, std::generic_category(), name};
    path_ = name;
}

temporary_folder::~temporary_folder() {
    std::error_code error;
    fs::remove_all(path_, error);
    EXPECT_FALSE(error) << path_ << ": " << error.message();
}

} // namespace test
