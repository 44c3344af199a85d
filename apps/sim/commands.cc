#include "apps/sim/commands.h"

#include "apps/cli/model_text.h"

namespace flexai::apps::sim {

CLI::App* declare(CLI::App& app, const std::string& name, const std::string& description,
                  const std::string& examples) {
  CLI::App* command = app.add_subcommand(name, description);
  command->footer("Examples:\n" + examples);
  return command;
}

void perform(CLI::App* command, Session& session, std::function<base::Status()> work) {
  command->callback([&session, work = std::move(work)] {
    const base::Status done = work();
    if (done.ok()) return;
    std::fprintf(stderr, "hi-sim: %s\n", done.error().message.c_str());
    session.code = done.error().code == base::Code::kInvalid ? 2 : 1;
  });
}

void add_man(CLI::App& app, Session&) {
  CLI::App* command = declare(app, "man", "print the man page", "  hi-sim man | man -l -\n");
  command->callback([&app] { std::printf("%s", man_page(app).c_str()); });
}

void build_cli(CLI::App& app, Session& session) {
  app.require_subcommand(1);
  add_replay(app, session);
  add_explain(app, session);
  add_tenants(app, session);
  add_bench(app, session);
  add_plans(app, session);
  add_diff(app, session);
  add_man(app, session);
}

}  // namespace flexai::apps::sim
