// The commands of `flexai`, one file each. add_X() declares command X in the CLI11 model, from
// which parsing, help, completion and the man page all come.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "apps/cli/client.h"
#include "base/result.h"

namespace flexai::apps {

// What all commands share.
struct Shell {
  bool json = false;  // --json: print what the agent said, as JSON
  int code = 0;       // exit code of the process
};

void add_devices(CLI::App& app, Shell& shell);
void add_run(CLI::App& app, Shell& shell);
void add_slice(CLI::App& app, Shell& shell);
void add_pause(CLI::App& slice, Shell& shell);  // of `slice`
void add_swap(CLI::App& slice, Shell& shell);
void add_migrate(CLI::App& slice, Shell& shell);
void add_resume(CLI::App& slice, Shell& shell);
void add_top(CLI::App& app, Shell& shell);
void add_explain(CLI::App& app, Shell& shell);
void add_events(CLI::App& app, Shell& shell);
void add_sessions(CLI::App& app, Shell& shell);
void add_net(CLI::App& app, Shell& shell);
void add_pki(CLI::App& app, Shell& shell);
void add_host(CLI::App& app, Shell& shell);
void add_completion(CLI::App& app, Shell& shell);
void add_man(CLI::App& app, Shell& shell);
void add_version(CLI::App& app, Shell& shell);

// The whole model; used by main, completion, man and tests.
void build_cli(CLI::App& app, Shell& shell);

// Declares a command: every one has --json and examples.
CLI::App* declare(CLI::App& app, Shell& shell, const std::string& name,
                  const std::string& description, const std::string& examples);
// Sets what a command does: runs it, prints its error as one line and sets the exit code.
void perform(CLI::App* command, Shell& shell, std::function<base::Status(Client&)> work);
void report(Shell& shell, const base::Error& error);

void print_json(const nlohmann::json& value);

}  // namespace flexai::apps
