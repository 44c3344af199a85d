#include "apps/cli/commands.h"

#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/cli/exit_codes.h"

namespace flexai::apps {

CLI::App* declare(CLI::App& app, Shell& shell, const std::string& name,
                  const std::string& description, const std::string& examples) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_flag("--json", shell.json, "print JSON");
  command->footer("Examples:\n" + examples);
  return command;
}

void report(Shell& shell, const base::Error& error) {
  std::string line = error.message;
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';  // one line, whatever is in it
  if (shell.json) {
    nlohmann::json body = {{"error", {{"code", code_name(error.code)}, {"message", line}}}};
    fprintf(stderr, "%s\n",
            body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    fprintf(stderr, "flexai: %s\n", line.c_str());
  }
  shell.code = exit_code(error.code);
}

void perform(CLI::App* command, Shell& shell, std::function<base::Status(Client&)> work) {
  command->callback([&shell, work] {
    Client client;
    base::Status status = work(client);
    if (!status.ok()) report(shell, status.error());
  });
}

void print_json(const nlohmann::json& value) {
  printf("%s\n", value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  fflush(stdout);
}

void build_cli(CLI::App& app, Shell& shell) {
  app.require_subcommand(1);
  app.footer(
      std::string(kExitTable) +
      "Environment:\n"
      "  FLEXAI_SOCKET  socket of the agent to talk to; else the host's service is asked,\n"
      "                 else an agent of this user's own, started when none runs\n"
      "  FLEXAI_PKI     folder of this host's certificate, for --host; else /etc/flexai/pki\n"
      "                 or ~/.config/flexai/pki\n");
  add_devices(app, shell);
  add_run(app, shell);
  add_slice(app, shell);
  add_top(app, shell);
  add_explain(app, shell);
  add_events(app, shell);
  add_sessions(app, shell);
  add_net(app, shell);
  add_pki(app, shell);
  add_host(app, shell);
  add_completion(app, shell);
  add_man(app, shell);
  add_version(app, shell);
}

}  // namespace flexai::apps
