// The commands of `hi-sim`, one file each. add_X() declares command X in the CLI11 model.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "base/result.h"

namespace flexai::apps::sim {

struct Session {
  int code = 0;  // exit code of the process
};

void add_replay(CLI::App& app, Session& session);
void add_bench(CLI::App& app, Session& session);
void add_man(CLI::App& app, Session& session);

void build_cli(CLI::App& app, Session& session);
CLI::App* declare(CLI::App& app, const std::string& name, const std::string& description,
                  const std::string& examples);
// Sets what a command does; an error is one line on standard error and exit code 1, 2 for a wrong
// command line or input.
void perform(CLI::App* command, Session& session, std::function<base::Status()> work);

}  // namespace flexai::apps::sim
