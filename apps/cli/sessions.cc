#include <time.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/commands.h"
#include "apps/cli/host_option.h"
#include "apps/cli/table.h"

namespace flexai::apps {
namespace {

using nlohmann::json;

std::string age_of(int64_t since_ms) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const int64_t seconds = std::max<int64_t>(now.tv_sec - since_ms / 1000, 0);
  if (seconds < 120) return std::to_string(seconds) + " s";
  if (seconds < 7200) return std::to_string(seconds / 60) + " min";
  return std::to_string(seconds / 3600) + " h";
}

std::string joined(const json& names) {
  std::string text;
  for (const json& name : names) text += (text.empty() ? "" : " ") + name.get<std::string>();
  return text;
}

void print_sessions(const json& sessions) {
  if (sessions.empty()) {
    printf("no session\n");
    return;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json& s : sessions) {
    const std::string host = s.value("host", "");
    rows.push_back({s.value("name", "").substr(0, 8), host.empty() ? "(this host)" : host,
                    joined(s["slices"]), std::to_string(s.value("worker", 0)),
                    s.value("attached", false) ? "working" : "starting",
                    age_of(s.value("since_ms", int64_t{0})), s.value("command", "").substr(0, 40)});
  }
  print_table(
      {{"SESSION"}, {"OF"}, {"SLICE"}, {"WORKER", true}, {"STATE"}, {"AGE", true}, {"COMMAND"}},
      rows);
}

}  // namespace

void add_sessions(CLI::App& app, Shell& shell) {
  auto host = std::make_shared<HostOption>();
  CLI::App* command =
      declare(app, shell, "sessions", "programs whose card is served, each with its worker",
              "  flexai sessions\n  flexai sessions --host gpu1 --json\n");
  host->add_to(command, "the sessions on another host");
  perform(command, shell, [&shell, host](Client& client) -> base::Status {
    FLEXAI_TRY(host->apply(client));
    FLEXAI_TRY_ASSIGN(json answer, client.get("/v1/sessions"));
    if (shell.json)
      print_json(answer);
    else
      print_sessions(answer["sessions"]);
    return {};
  });
}

}  // namespace flexai::apps
