#include "miou/src/report/copies.hpp"

#include <link.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>
#include <string_view>

// A note in the file of each copy, which is mapped with it. A symbol would not do: it may be
// hidden, and those of a plugin that was loaded with RTLD_LOCAL are not looked up.
asm(R"(
    .pushsection .note.miou, "a", %note
    .balign 4
    .long 13, 0, 1
    .asciz "miou.runtime"
    .balign 4
    .popsection
)");

namespace miou::detail {
namespace {

bool has_note(const dl_phdr_info& file) noexcept {
    return std::ranges::any_of(std::span{file.dlpi_phdr, file.dlpi_phnum}, [&](const auto& part) {
        const auto* const begin = reinterpret_cast<const char*>(file.dlpi_addr + part.p_vaddr);
        return part.p_type == PT_NOTE &&
               std::string_view{begin, part.p_memsz}.find("miou.runtime") != std::string_view::npos;
    });
}

struct copies {
    std::size_t count = 0;
    const char* files[8] = {}; // the first ones
};

/// No exception may pass through its caller.
int count_copy(dl_phdr_info* file, std::size_t, void* into) noexcept {
    auto& found = *static_cast<copies*>(into);
    if (has_note(*file) && found.count++ < std::size(found.files))
        found.files[found.count - 1] = *file->dlpi_name == '\0' ? "the program" : file->dlpi_name;
    return 0;
}

} // namespace

std::string hint_at_copies() {
    copies found;
    ::dl_iterate_phdr(count_copy, &found);
    if (found.count < 2)
        return {};
    std::string hint = ". " + std::to_string(found.count) + " copies of miou are loaded, in ";
    for (std::size_t i = 0; i < std::min(found.count, std::size(found.files)); ++i)
        hint += (i == 0 ? "" : ", ") + std::string{found.files[i]};
    return hint +
           ", and none knows the tasks of another: link them with the shared library of miou";
}

} // namespace miou::detail
