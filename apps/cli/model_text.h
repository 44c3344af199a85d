// Completion scripts and the man page, written from the CLI11 model of the command line, so that
// they say what the program does. Pure.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace flexai::apps {

// `shell`: bash, zsh or fish.
std::string completion_script(const CLI::App& app, const std::string& shell);
std::string man_page(const CLI::App& app);

}  // namespace flexai::apps
