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
void add_tenants(CLI::App& app, Session& session);
void add_bench(CLI::App& app, Session& session);
void add_plans(CLI::App& app, Session& session);
void add_explain(CLI::App& app, Session& session);
void add_diff(CLI::App& app, Session& session);
void add_man(CLI::App& app, Session& session);

void build_cli(CLI::App& app, Session& session);
CLI::App* declare(CLI::App& app, const std::string& name, const std::string& description,
                  const std::string& examples);
// Sets what a command does; an error is one line on standard error and exit code 1, 2 for a wrong
// command line or input.
void perform(CLI::App* command, Session& session, std::function<base::Status()> work);

// `hi-sim replay FILE`: decides a recorded snapshot again and prints the plan; the plan as JSON and
// the snapshot that the plan leaves go to files when these are named.
base::Status decide_file(const std::string& path, const std::string& json_path,
                         const std::string& after_path);

}  // namespace flexai::apps::sim
