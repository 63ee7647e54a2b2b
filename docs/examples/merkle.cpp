// Prints the hash that git gives a file or a folder (`git write-tree`). It is a port of
// merkle/main_p.ml of OCaml's Miou.
//
//     merkle FILENAME
//
// Each folder is a task on dom0, and each file is a task on another domain. In contrast to the
// original it knows executables, symbolic links, folders without files (which git leaves out), and
// git's order of names.

#include "miou/miou.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

/// Computes a SHA-1. `get` returns its 20 bytes.
class hash {
public:
    hash() { check(EVP_DigestInit_ex(context_.get(), EVP_sha1(), nullptr)); }
    hash& feed(std::string_view bytes) {
        check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
        return *this;
    }
    std::string get() {
        std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
        unsigned length = 0;
        check(EVP_DigestFinal_ex(context_.get(), digest.data(), &length));
        return {digest.begin(), digest.begin() + length};
    }

private:
    static void check(int succeeded) {
        if (succeeded != 1)
            throw std::runtime_error{"there is no SHA-1"};
    }
    struct free {
        void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    };
    std::unique_ptr<EVP_MD_CTX, free> context_{EVP_MD_CTX_new()};
};

/// An entry of a tree: `100644 name\0` and the hash. It is empty for what git leaves out.
using line = std::optional<std::string>;

std::string hash_of_blob(const fs::path& filename) {
    std::ifstream ic{filename, std::ios::binary};
    hash ctx;
    std::uintmax_t left = fs::file_size(filename);
    ctx.feed("blob " + std::to_string(left) + '\0');
    std::array<char, 0x1000> buf;
    while (left > 0) {
        ic.read(buf.data(),
                static_cast<std::streamsize>(std::min<std::uintmax_t>(left, buf.size())));
        if (ic.gcount() == 0)
            throw std::runtime_error{"cannot read " + filename.string()};
        ctx.feed({buf.data(), static_cast<std::size_t>(ic.gcount())});
        left -= static_cast<std::uintmax_t>(ic.gcount());
    }
    return ctx.get();
}

std::string hash_of_link(const fs::path& link) {
    const std::string target = fs::read_symlink(link).string();
    return hash{}.feed("blob " + std::to_string(target.size()) + '\0').feed(target).get();
}

std::string hash_of_entries(const std::vector<line>& entries) {
    std::size_t len = 0;
    for (const line& each : entries)
        len += each ? each->size() : 0;
    hash ctx;
    ctx.feed("tree " + std::to_string(len) + '\0');
    for (const line& each : entries)
        ctx.feed(each.value_or(""));
    return ctx.get();
}

miou::promise<line> perform(const fs::directory_entry& entry);

/// Git compares the name of a folder as if it ended with a slash.
std::string sort_key(const fs::directory_entry& entry) {
    const bool is_folder = entry.symlink_status().type() == fs::file_type::directory;
    return entry.path().filename().string() + (is_folder ? "/" : "");
}

std::vector<line> entries_of_tree(const fs::path& filename) {
    std::vector<fs::directory_entry> entries{fs::directory_iterator{filename}, {}};
    std::erase_if(entries, [](const auto& each) { return each.path().filename() == ".git"; });
    std::ranges::sort(entries, {}, sort_key);
    std::vector<miou::promise<line>> promises;
    for (const auto& each : entries)
        promises.push_back(perform(each));
    std::vector<line> lines;
    for (auto& result : miou::await_all(promises))
        lines.push_back(std::move(result).value());
    std::erase(lines, std::nullopt);
    return lines;
}

bool is_executable(const fs::directory_entry& entry) {
    return (entry.status().permissions() & fs::perms::owner_exec) != fs::perms::none;
}

miou::promise<line> perform(const fs::directory_entry& entry) {
    const auto name = entry.path().filename().string() + '\0';
    const auto on_another_domain = [](auto fn) {
        return miou::domain::available() > 0 ? miou::call(fn) : miou::async(fn);
    };
    switch (entry.symlink_status().type()) {
    case fs::file_type::directory:
        return miou::async([=]() -> line {
            const auto entries = entries_of_tree(entry.path());
            if (entries.empty())
                return {};
            return "40000 " + name + hash_of_entries(entries);
        });
    case fs::file_type::regular:
        return on_another_domain([=]() -> line {
            const auto mode = is_executable(entry) ? "100755 "s : "100644 "s;
            return mode + name + hash_of_blob(entry.path());
        });
    case fs::file_type::symlink:
        return on_another_domain(
            [=]() -> line { return "120000 " + name + hash_of_link(entry.path()); });
    default:
        return miou::async([]() -> line { return {}; });
    }
}

std::string hash_of_tree(const fs::path& filename) {
    return hash_of_entries(entries_of_tree(filename));
}

} // namespace

int main(int argc, char** argv) try {
    if (argc != 2) {
        std::cerr << "Usage: " << argv[0] << " FILENAME\n";
        return 2;
    }
    const fs::path filename{argv[1]};
    if (!fs::exists(filename)) {
        std::cerr << argv[0] << ": " << filename.string() << " not found\n";
        return 1;
    }
    const std::string digest = miou::run([&] {
        return fs::is_directory(filename) ? hash_of_tree(filename) : hash_of_blob(filename);
    });
    std::cout << std::hex << std::setfill('0');
    for (const unsigned char byte : digest)
        std::cout << std::setw(2) << int{byte};
    std::cout << '\n';
} catch (const std::exception& error) {
    std::cerr << "merkle: " << error.what() << '\n';
    return 1;
}
