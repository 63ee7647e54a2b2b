#include "support/browser.hpp"

#include "support/io.hpp"

#include <boost/json/src.hpp> // the whole library: the only place that compiles it

#include <gtest/gtest.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <stdexcept>
#include <system_error>
#include <vector>

namespace test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

std::string text_of(const json::value& value) {
    return std::string{value.as_string()};
}

json::value script(const std::string& body, const json::array& arguments = {}) {
    return {{"script", body}, {"args", arguments}};
}

/// Whether the command line of any process contains `text`.
bool runs_with(const std::string& text) {
    std::error_code ignored;
    return std::ranges::any_of(fs::directory_iterator{"/proc"}, [&](const auto& process) {
        std::ifstream file{process.path() / "cmdline"};
        const std::string line{std::istreambuf_iterator<char>{file}, {}};
        return line.find(text) != line.npos;
    });
}

} // namespace

browser::browser() {
    driver_.emplace(std::vector<std::string>{"chromedriver", "--port=0"});
    std::smatch found;
    driver_->prints("successfully on port ");
    driver_->prints(".\n");
    const std::string text = driver_->printed();
    if (!std::regex_search(text, found, std::regex{"successfully on port ([0-9]+)\\.\n"}))
        throw std::runtime_error{"chromedriver does not start: " + text};
    url_ = "http://127.0.0.1:" + found[1].str();

    const json::array flags{
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--remote-debugging-pipe", // so that it ends with the driver, however that ends
        "--user-data-dir=" + profile_.path().string()};
    const json::value capabilities{{"timeouts", {{"script", 20'000}}},
                                   {"goog:chromeOptions", {{"args", flags}}}};
    const json::value made =
        call("POST", "/session", {{"capabilities", {{"alwaysMatch", capabilities}}}});
    url_ += "/session/" + text_of(made.at("sessionId"));
}

browser::~browser() {
    try {
        call("DELETE", "", json::object{});
    } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
    }
    driver_.reset();
    wait_for_end();
}

void browser::wait_for_end() {
    for (const deadline soon; runs_with(profile_.path());)
        if (soon.has_passed()) {
            ADD_FAILURE() << "a browser with the profile " << profile_.path() << " is left";
            return;
        }
}

void browser::open(const std::string& url) {
    call("POST", "/url", {{"url", url}});
}

void browser::type(const std::string& selector, const std::string& keys) {
    const json::value found =
        call("POST", "/element", {{"using", "css selector"}, {"value", selector}});
    const std::string id = text_of(found.as_object().begin()->value());
    call("POST", "/element/" + id + "/value", {{"text", keys}});
}

bool browser::shows(const std::string& selector, const std::string& text) {
    try {
        call("POST", "/execute/async",
             script("const [selector, text, done] = arguments;"
                    "const look = () => {"
                    "    if (document.querySelector(selector)?.textContent.includes(text))"
                    "        done();"
                    "};"
                    "new MutationObserver(look).observe("
                    "    document, {subtree: true, childList: true, characterData: true});"
                    "look();",
                    {selector, text}));
        return true;
    } catch (const std::runtime_error& timeout) {
        ADD_FAILURE() << timeout.what()
                      << "\nthe page: " << text_of(evaluate("return document.body.innerText"));
        return false;
    }
}

json::value browser::evaluate(const std::string& body) {
    return call("POST", "/execute/sync", script(body));
}

json::value browser::call(const std::string& method, const std::string& path,
                          const json::value& body) {
    const json::value answer =
        json::parse(output_of({"curl", "-sS", "--max-time", "60", "-X", method, "-d",
                               json::serialize(body), url_ + path}));
    const json::value& value = answer.at("value");
    if (value.is_object() && value.as_object().contains("error"))
        throw std::runtime_error{"WebDriver " + path + ": " + text_of(value.at("message"))};
    return value;
}

} // namespace test
