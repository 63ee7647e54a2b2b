// A real browser, driven by the WebDriver protocol (https://www.w3.org/TR/webdriver2/).
#pragma once

#include "support/child_program.hpp"
#include "support/temporary_folder.hpp"

#include <boost/json/value.hpp>

#include <optional>
#include <string>

namespace test {

/// Typed into a form, it submits the form.
inline constexpr const char* enter_key = "\uE007";

/// A headless Chromium with one window and a profile of its own, and the `chromedriver` that
/// controls it. Both have ended when this is destroyed.
class browser {
public:
    browser();
    ~browser();
    browser(const browser&) = delete;
    browser& operator=(const browser&) = delete;

    void open(const std::string& url);
    /// Types `keys` into the element that `selector`, a CSS selector, names.
    void type(const std::string& selector, const std::string& keys);
    /// Whether that element contains `text`, now or soon.
    bool shows(const std::string& selector, const std::string& text);
    /// What the body of a function in JavaScript returns.
    boost::json::value evaluate(const std::string& body);

private:
    boost::json::value call(const std::string& method, const std::string& path,
                            const boost::json::value& body);
    void wait_for_end();

    temporary_folder profile_;
    std::optional<child_program> driver_;
    std::string url_; // of the driver, then of its session
};

} // namespace test
