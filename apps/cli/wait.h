// --wait: stand in line for room instead of failing.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace flexai::apps {

struct Wait {
  bool wait = false;
  uint32_t seconds = 24 * 3600;

  void add_to(CLI::App* command) {
    command->add_flag("--wait", wait, "wait in line for room instead of failing");
    command->add_option("--wait-time", seconds, "give up after so many seconds (default: a day)")
        ->type_name("SECONDS")
        ->check(CLI::Range(0u, 7u * 24 * 3600));
  }
  std::string query() const { return wait ? "?wait=" + std::to_string(seconds) : ""; }
  int patience() const { return 30 + (wait ? static_cast<int>(seconds) : 0); }
};

}  // namespace flexai::apps
