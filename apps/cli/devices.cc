#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/commands.h"
#include "apps/cli/host_option.h"
#include "apps/cli/table.h"
#include "model/quantity.h"

namespace flexai::apps {

using nlohmann::json;

void add_devices(CLI::App& app, Shell& shell) {
  CLI::App* command = declare(app, shell, "devices", "the cards of this host, and what is free",
                              "  flexai devices\n  flexai devices --json\n"
                              "  flexai devices --host gpu1\n");
  auto host = std::make_shared<HostOption>();
  host->add_to(command, "the cards of another host");
  perform(command, shell, [&shell, host](Client& client) -> base::Status {
    FLEXAI_TRY(host->apply(client));
    FLEXAI_TRY_ASSIGN(json answer, client.get("/v1/devices"));
    if (shell.json) {
      print_json(answer);
      return {};
    }
    std::vector<std::vector<std::string>> rows;
    for (const json& d : answer["devices"]) {
      uint64_t memory = d.value("memory_bytes", uint64_t{0});
      bool healthy = d.value("healthy", false);
      rows.push_back(
          {d.value("id", ""), d.value("vendor", ""), d.value("model", ""),
           memory == 0 ? "-" : model::format_bytes(memory),
           format_milli(d.value("granted_milli", 0u)),
           healthy ? format_milli(d.value("free_milli", 0u)) : "-",
           healthy ? model::format_bytes(d.value("free_memory_bytes", uint64_t{0})) : "-",
           std::to_string(d.value("slices", 0u)),
           healthy ? "ok" : d.value("health", "not healthy")});
    }
    if (rows.empty()) {
      printf("no card found; install a driver (for a try without a card: pocl-opencl-icd)\n");
      return {};
    }
    print_table({{"CARD"},
                 {"VENDOR"},
                 {"MODEL"},
                 {"MEMORY", true},
                 {"GRANTED", true},
                 {"FREE", true},
                 {"FREE MEMORY", true},
                 {"SLICES", true},
                 {"HEALTH"}},
                rows);
    return {};
  });
}

}  // namespace flexai::apps
