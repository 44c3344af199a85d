#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/commands.h"

namespace flexai::apps {

using nlohmann::json;

void add_explain(CLI::App& app, Shell& shell) {
  auto name = std::make_shared<std::string>();
  CLI::App* command =
      declare(app, shell, "explain", "why a slice gets what it gets", "  flexai explain trainer\n");
  command->add_option("name", *name, "name of the slice")->required()->type_name("NAME");
  perform(command, shell, [&shell, name](Client& client) -> base::Status {
    FLEXAI_TRY_ASSIGN(json answer, client.get("/v1/slices/" + escape(*name) + "/explain"));
    if (shell.json) {
      print_json(answer);
      return {};
    }
    for (const json& line : answer["lines"]) printf("%s\n", line.get<std::string>().c_str());
    return {};
  });
}

}  // namespace flexai::apps
