// The programs of docs/examples that are ports of Miou's examples.

#include "support/child_program.hpp"
#include "support/domains.hpp"
#include "support/sanitized.hpp"
#include "support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using strings = std::vector<std::string>;
using test::lines_of;
using test::output_of;

/// Starts a program of docs/examples with `domains` domains.
std::unique_ptr<test::child_program> start(const std::string& name, const strings& arguments = {},
                                           int domains = test::domains()) {
    return std::make_unique<test::child_program>(
        test::command_of_program(name, arguments, domains));
}

TEST(programs, the_bounded_queue_hands_over_everything_in_order) {
    EXPECT_EQ(output_of(*start("bounded_queue", {}, test::at_least(1))),
              "10001 and 8001 numbers, in order\n");
}

TEST(programs, the_merge_sort_sorts_on_any_number_of_domains) {
    std::minstd_rand random{1};
    std::vector<long> numbers;
    strings arguments;
    for (int i = 0; i < 5000; ++i) {
        numbers.push_back(static_cast<long>(random() % 2000) - 1000);
        arguments.push_back(std::to_string(numbers.back()));
    }
    std::ranges::sort(numbers);
    std::string sorted;
    for (const long each : numbers)
        sorted += std::to_string(each) + '\n';
    EXPECT_EQ(output_of(*start("merge_sort", arguments)), sorted);
    EXPECT_EQ(output_of(*start("merge_sort")), "");
}

TEST(programs, all_philosophers_eat_and_neighbours_never_at_the_same_time) {
    constexpr int rounds = 20;
    const auto dinner = start("philosophers", {"3600", std::to_string(rounds)}, test::at_least(1));
    std::map<int, int> meals;
    std::array<std::string, 5> doing;
    for (const std::string& line : lines_of(output_of(*dinner))) {
        ASSERT_GT(line.size(), 3u) << line;
        const int i = std::stoi(line);
        std::string& now = doing.at(static_cast<std::size_t>(i));
        const auto says = [&](const char* what) { return line.find(what) == 2; };
        if (says(" is thinking ")) {
            EXPECT_TRUE(now.empty()) << line;
            now = "thinking";
        } else if (says(" is hungry")) {
            EXPECT_EQ(now, "thinking") << line;
            now = "hungry";
        } else if (says(" is eating")) {
            EXPECT_EQ(now, "hungry") << line;
            EXPECT_NE(doing.at(static_cast<std::size_t>((i + 1) % 5)), "eating") << line;
            EXPECT_NE(doing.at(static_cast<std::size_t>((i + 4) % 5)), "eating") << line;
            now = "eating";
        } else {
            EXPECT_TRUE(says(" has eaten")) << line;
            EXPECT_EQ(now, "eating") << line;
            now.clear();
            ++meals[i];
        }
    }
    EXPECT_EQ(meals, (std::map<int, int>{
                         {0, rounds}, {1, rounds}, {2, rounds}, {3, rounds}, {4, rounds}}));
}

TEST(programs, the_philosophers_go_when_their_time_is_over) {
    const auto dinner = start("philosophers", {"1"}, test::at_least(1));
    EXPECT_NE(output_of(*dinner).find(" is thinking "), std::string::npos);
}

TEST(programs, the_sleepers_sleep_at_the_same_time) {
    const auto step_1 = start("sleepers_1");
    const auto step_2 = start("sleepers_2");
    const auto step_3 = start("sleepers_3", {}, test::at_least(1));
    EXPECT_EQ(output_of(*step_1), "1s and 2s took less than 3s\n");
    EXPECT_EQ(output_of(*step_2), "1s and 2s took less than 3s\n");
    EXPECT_EQ(output_of(*step_3), "1s and 2s took less than 3s\n"
                                  "in parallel, too\n"
                                  "10s were cancelled after 1s\n");
}

TEST(programs, the_small_scheduler_runs_what_was_put_into_the_background) {
    EXPECT_EQ(output_of(*start("small_scheduler")), "Hello\nWorld\n1 + 2 = 3\n");
}

/// The hash that git gives the tree of `folder`, with a line feed.
std::string git_tree_of(const fs::path& folder) {
    const test::temporary_folder repository;
    const auto git = [&](const strings& arguments) {
        // The threshold makes git put all blobs into one pack, not each into its own file.
        return output_of(test::joined(
            {"env", "GIT_DIR=" + repository.path().string(), "GIT_WORK_TREE=" + folder.string(),
             "GIT_CONFIG_GLOBAL=/dev/null", "git", "-c", "core.compression=0", "-c",
             "core.bigFileThreshold=1", "-c", "core.autocrlf=false"},
            arguments));
    };
    git({"init", "--quiet"});
    git({"add", "--all", "--force", folder.string()});
    return git({"write-tree"});
}

void write(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream{file, std::ios::binary} << text;
}

bool can_hash() {
    return fs::exists(test::path_of_program("merkle"));
}

TEST(programs, the_merkle_tree_of_thousands_of_files_is_that_of_git) {
    if (!can_hash())
        GTEST_SKIP() << "merkle was not built: there is no libcrypto";
    const test::temporary_folder tree;
    std::minstd_rand random{1};
    constexpr int files = test::scaled(2000, 1000);
    for (int i = 0; i < files; ++i) {
        std::string text(random() % 9000, ' ');
        std::ranges::generate(text, [&] { return static_cast<char>(random() >> 8); });
        write(tree / std::to_string(random() % 7) / std::to_string(random() % 31) /
                  ("file" + std::to_string(i)),
              text);
    }
    EXPECT_EQ(output_of(*start("merkle", {tree.path()})), git_tree_of(tree.path()));
}

TEST(programs, the_merkle_tree_of_a_real_source_tree_is_that_of_git) {
    const fs::path sources{"/usr/include/boost/spirit"};
    if (!can_hash() || !fs::exists(sources))
        GTEST_SKIP() << "merkle was not built, or there are no headers of Boost";
    EXPECT_EQ(output_of(*start("merkle", {sources})), git_tree_of(sources));
}

TEST(programs, the_merkle_tree_of_a_folder_with_every_special_case_is_that_of_git) {
    if (!can_hash())
        GTEST_SKIP() << "merkle was not built: there is no libcrypto";
    const test::temporary_folder tree;
    EXPECT_EQ(output_of(*start("merkle", {tree.path()})), git_tree_of(tree.path()));
    for (const char* each : {"a.b", "a/x", "a0", "a-b", "A", ".hidden", "b/.keep", "b.c/y", "b0/z",
                             "caf\u00e9", "with space", "executable", "empty"})
        write(tree / each, each);
    write(tree / "empty", "");
    fs::permissions(tree / "executable", fs::perms::owner_all);
    fs::create_symlink("a.b", tree / "link");
    fs::create_symlink("nowhere/at/all", tree / "dangling");
    fs::create_directory_symlink("a", tree / "link_to_folder");
    fs::create_directories(tree / "no_file" / "within");
    EXPECT_EQ(output_of(*start("merkle", {tree.path()})), git_tree_of(tree.path()));
}

TEST(programs, the_merkle_tree_of_a_file_is_the_blob_of_git) {
    if (!can_hash())
        GTEST_SKIP() << "merkle was not built: there is no libcrypto";
    const test::temporary_folder tree;
    write(tree / "file", "hello\n");
    EXPECT_EQ(output_of(*start("merkle", {tree / "file"})),
              "ce013625030ba8dba906f756967f9e9ca394464a\n");
    const auto missing = start("merkle", {tree / "missing"});
    EXPECT_EQ(missing->wait(), 1);
    EXPECT_NE(missing->printed().find("not found"), std::string::npos);
}

} // namespace
