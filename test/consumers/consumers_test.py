#!/usr/bin/env python3
"""Builds and runs small projects of strangers, who use miou in each of the ways of the README. Arguments: the
compiler's command. Needs cmake, make, meson, ninja and pkg-config; not the network."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VERSION = re.search(r"#define MIOU_VERSION (\d+)", (ROOT / "miou/config.hpp").read_text())[1]
FLAGS = ["-fvisibility=hidden", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wsign-conversion", "-Wold-style-cast",
         "-Werror"]
MESON_SETUP = ["meson", "setup", "--buildtype=plain", "-Doptimization=0"]  # quick to build


class Failed(Exception):
    pass


def run(*command, succeeds=True, **environment):
    """What `command` prints."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, **environment})
    if (done.returncode == 0) != succeeds:
        raise Failed(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def require(printed, *words):
    for each in words:
        if each not in printed:
            raise Failed(f"{each!r} is not in:\n{printed}")


class Consumers:
    def __init__(self, compiler, folder):
        self.compiler, self.folder = compiler, folder
        os.environ["CXX"] = " ".join(compiler)

    def install(self):
        """Both kinds of library into one prefix. A copy of that elsewhere, with the static ones alone."""
        both, static = self.folder / "both", self.folder / "moved" / "static"
        build = self.folder / "build"
        run(*MESON_SETUP, build, ROOT, "-Dtests=false", "-Ddefault_library=both", "-Dpkgconfig.relocatable=true",
            f"--prefix={both}")
        run("meson", "install", "-C", build)
        shutil.copytree(both, static, symlinks=True)
        for library in static.rglob("*.so*"):
            library.unlink()
        self.prefixes = {"shared": both, "static": static}

    def project(self, name, kind):
        copy = self.folder / f"{name}-{kind}"
        shutil.copytree(HERE / name, copy)
        shutil.copy(HERE / "echo.cpp", copy)
        return copy

    def pkg_config(self, kind):
        """For pkg-config to find the libraries, and for programs."""
        found = next(self.prefixes[kind].rglob("pkgconfig"))
        return {"PKG_CONFIG_PATH": str(found), "LD_LIBRARY_PATH": str(found.parent)}

    def headers(self):
        """Every installed header finds what it includes, and is without a warning."""
        include = self.prefixes["shared"] / "include"
        headers = sorted(include.rglob("*.hpp"))
        source = self.folder / "headers.cpp"
        source.write_text("".join(f"#include <{header.relative_to(include)}>\n" for header in headers))
        run(*self.compiler, "-std=c++20", *FLAGS, "-fsyntax-only", f"-I{include}", source)

    def make(self, project, kind, *words):
        static = " --static" if kind == "static" else ""
        run("make", "-C", project, f"FLAGS={' '.join(FLAGS)}", f"PKG_CONFIG=pkg-config{static}", *words,
            **self.pkg_config(kind))

    def echo_of_make(self, kind):
        project = self.project("make", kind)
        self.make(project, kind)
        require(run(project / "echo", **self.pkg_config(kind)), f"miou {VERSION} echoes")

    def echo_of_meson(self, name, kind, *options, prepare=lambda project: None, **environment):
        project = self.project(name, kind)
        prepare(project)
        build = project / "build"
        run(*MESON_SETUP, build, project, f"-Dflags={','.join(FLAGS)}", *options, **environment)
        run("meson", "compile", "-C", build)
        require(run(build / "echo", **environment), f"miou {VERSION} echoes")

    def echo_of_cmake(self, name, kind, *options):
        project = self.project(name, kind)
        build = project / "build"
        run("cmake", "-S", project, "-B", build, f"-DFLAGS={';'.join(FLAGS)}", *options)
        run("cmake", "--build", build, "--parallel", os.cpu_count())
        require(run(build / "echo"), f"miou {VERSION} echoes")

    def installed(self):
        for kind, prefix in self.prefixes.items():
            self.echo_of_make(kind)
            prefer_static = f"-Dprefer_static={str(kind == 'static').lower()}"
            self.echo_of_meson("meson", kind, prefer_static, "--wrap-mode=nofallback", **self.pkg_config(kind))
            self.echo_of_meson("meson_cmake", kind, f"-Dcmake_prefix_path={prefix}", **self.pkg_config(kind))
            self.echo_of_cmake("cmake", kind, f"-DCMAKE_PREFIX_PATH={prefix}")
        static_of_both = ["-Dmiou_USE_STATIC_LIBS=ON", f"-DCMAKE_PREFIX_PATH={self.prefixes['shared']}"]
        self.echo_of_cmake("cmake", "static-of-both", *static_of_both)

    def as_part_of_a_build(self):
        self.echo_of_meson("meson", "subproject", "--force-fallback-for=miou_unix",
                           prepare=lambda project: (project / "subprojects" / "miou").symlink_to(ROOT))
        self.echo_of_cmake("fetch_content", "static", f"-DFETCHCONTENT_SOURCE_DIR_MIOU={ROOT}")

    def plugins(self):
        """What is linked with the shared library shares its tasks. An error names the files that have copies."""
        shared = self.project("plugins", "shared")
        self.make(shared, "shared", "OBJECTS=libone.so libtwo.so")
        objects = ["libone.so", "libtwo.so", shared / "plugin.so"]
        require(run(shared / "program", *objects, **self.pkg_config("shared")), "one runtime")

        static = self.project("plugins", "static")
        self.make(static, "static")
        plugin = static / "plugin.so"
        require(run(static / "program", plugin, succeeds=False), "miou::yield was called outside of a task",
                "2 copies of miou", "the program", str(plugin), "link them with the shared library")


if __name__ == "__main__":
    missing = [tool for tool in ("cmake", "make", "meson", "ninja", "pkg-config") if not shutil.which(tool)]
    if missing:
        sys.exit(f"These programs are needed: {' '.join(missing)}")
    with tempfile.TemporaryDirectory() as name:
        consumers = Consumers(sys.argv[1:] or ["c++"], pathlib.Path(name))
        try:
            for step in (consumers.install, consumers.headers, consumers.installed, consumers.plugins,
                         consumers.as_part_of_a_build):
                print(f"{step.__name__} ...", flush=True)
                step()
        except Failed as error:
            sys.exit(str(error))
    print("every project builds and runs")
