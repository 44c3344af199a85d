#include <time.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/commands.h"

namespace flexai::apps {
namespace {

using nlohmann::json;

struct State {
  bool follow = false;
  uint64_t since = 0;
};

void print_event(const json& event) {
  int64_t ms = event.value("time_ms", int64_t{0});
  time_t seconds = ms / 1000;
  tm local{};
  localtime_r(&seconds, &local);
  char stamp[32];
  strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", &local);
  std::string text = event.value("subject", "") + ": " + event.value("message", "");
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  printf("%s.%03d  %-13s  %s\n", stamp, static_cast<int>(ms % 1000),
         event.value("kind", "").c_str(), text.c_str());
}

base::Status show(const Shell& shell, const State& state, Client& client) {
  uint64_t since = state.since, incarnation = 0;
  int wait = 0;
  for (;;) {
    auto answer = client.get(
        "/v1/events?since=" + std::to_string(since) + "&wait=" + std::to_string(wait), wait + 30);
    if (!answer.ok()) return answer.error();
    uint64_t present = answer->value("incarnation", uint64_t{0});
    if (incarnation != 0 && present != incarnation) {  // a new agent counts from 1 again
      incarnation = present;
      since = 0;
      wait = 0;
      continue;
    }
    incarnation = present;
    for (const json& event : (*answer)["events"]) {
      if (shell.json)
        print_json(event);
      else
        print_event(event);
    }
    fflush(stdout);
    since = answer->value("next", since);
    if (!state.follow) return {};
    wait = 60;
  }
}

}  // namespace

void add_events(CLI::App& app, Shell& shell) {
  auto state = std::make_shared<State>();
  CLI::App* command = declare(app, shell, "events", "what happened lately",
                              "  flexai events\n  flexai events --follow --json\n");
  command->add_flag("--follow,-f", state->follow, "go on as things happen");
  command->add_option("--since", state->since, "only events after this sequence number")
      ->type_name("N");
  perform(command, shell, [&shell, state](Client& client) { return show(shell, *state, client); });
}

}  // namespace flexai::apps
