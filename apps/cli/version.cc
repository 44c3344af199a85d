#include <nlohmann/json.hpp>

#include "apps/cli/commands.h"

namespace flexai::apps {

using nlohmann::json;

void add_version(CLI::App& app, Shell& shell) {
  CLI::App* command = declare(app, shell, "version", "version of this program and of the agent",
                              "  flexai version\n");
  perform(command, shell, [&shell](Client& client) -> base::Status {
    json answer = {{"flexai", FLEXAI_VERSION}};
    // Only looks: asking for a version starts nothing.
    if (client.connect(false).ok()) {
      auto agent = client.get("/v1/agent");
      if (agent.ok()) answer["agent"] = *agent;
    }
    if (shell.json) {
      print_json(answer);
      return {};
    }
    printf("flexai %s\n", FLEXAI_VERSION);
    if (answer.contains("agent"))
      printf("agent  %s (pid %d, %s)\n", answer["agent"].value("version", "?").c_str(),
             answer["agent"].value("pid", 0), answer["agent"].value("socket", "?").c_str());
    else
      printf("agent  none runs\n");
    return {};
  });
}

}  // namespace flexai::apps
