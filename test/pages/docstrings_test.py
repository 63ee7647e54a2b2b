#!/usr/bin/env python3
"""Checks that every name of the public headers is documented: there is a `///` comment above its
declaration, or above the first of a group of declarations without an empty line between them."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Parts of miou_unix that no user names.
INTERNAL = {"descriptor_state", "handler_memory", "operation", "reactor", "registration", "timer_queue", "waiting"}

# What needs no comment: special members, operators, friends and forward declarations.
SILENT = re.compile(
    r"(.*= (default|delete);"  # special members
    r"|~|explicit |constexpr explicit |friend |using namespace|namespace|public:|private:|protected:"
    r"|enum class \w+( : [\w:]+)?;|(class|struct) \w+;|template <|requires"
    r"|(constexpr )?\w+\("  # constructors, which the comment of their class covers
    r"|.*\boperator\b|static_assert|return|#|\}|\{|:|,|//)"
)


def declarations(text):
    """Yields (line number, line, documented) for everything that a user can name: at namespace scope
    outside of `detail`, and in the public parts of classes. What is below `// For` is internal."""
    hidden_at = []  # depths of braces in which nothing is public
    depth = 0
    public = {0: True}
    documented = internal = continued = False
    for number, line in enumerate(text.splitlines(), 1):
        code = line.split("//")[0].rstrip() if not line.strip().startswith("//") else ""
        word = line.strip()
        if not word:
            documented = False
        elif word.startswith("///"):
            documented, internal = True, False
        elif word.startswith("// For "):
            internal = True
        if re.match(r"(public|private|protected):", word):
            public[depth] = word.startswith("public")
            internal = False
        name_here = (
            code and not continued and not hidden_at and public.get(depth, True) and not internal
            and not SILENT.match(word)
        )
        if name_here:
            yield number, word, documented
        opens, closes = code.count("{"), code.count("}")
        if opens > closes:
            body = re.match(r"(template <.*> )?(class|struct|enum class|namespace|union)\b", word)
            if not hidden_at and (not body or not public.get(depth, True) or re.match(r"namespace \w*:*detail\b", word) or "namespace {" in word):
                hidden_at.append(depth)
            elif body and body[2] in ("class", "struct", "namespace"):
                public[depth + 1] = body[2] != "class"
            elif body:
                hidden_at.append(depth)
        depth += opens - closes
        if hidden_at and depth <= hidden_at[-1]:
            hidden_at.pop()
        # A declaration continues until its semicolon, its body, or the end of its body.
        if code:
            continued = not re.search(r"([;{}:]|^#.*|>)$", code) or word.startswith("#")
            if word.startswith("#") or word.startswith("template <"):
                continued = False
        if depth == 0 and closes:
            internal = False


def complaints():
    headers = sorted(ROOT.glob("miou/*.hpp")) + sorted(ROOT.glob("miou_unix/*.hpp"))
    for header in headers:
        if header.stem in INTERNAL:
            continue
        declared = set()  # declared and documented, and perhaps defined further below
        for number, line, documented in declarations(header.read_text()):
            signature = line.rstrip("{; ")
            if documented:
                declared.add(signature)
            elif signature not in declared:
                yield f"{header.relative_to(ROOT)}:{number}: not documented: {line}"


if __name__ == "__main__":
    found = list(complaints())
    print("\n".join(found) or "every public name is documented")
    sys.exit(bool(found))
