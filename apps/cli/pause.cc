#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/commands.h"
#include "base/clock.h"
#include "model/quantity.h"

namespace flexai::apps {
namespace {

using nlohmann::json;

constexpr int kLongestMove = 3700;  // seconds

struct State {
  std::string name;
  double patience = 10;
};

void add_timeout(CLI::App* command, State& state, double most) {
  command
      ->add_option("--timeout", state.patience, "seconds to wait for work under way (default 10)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, most));
}

// `verb`: swap or migrate.
base::Result<json> move(Client& client, const State& state, const std::string& verb,
                        const std::string& to) {
  const json body = {{"to", to}, {"timeout_seconds", static_cast<uint64_t>(state.patience + 0.5)}};
  return client.post("/v1/slices/" + escape(state.name) + "/" + verb, body, kLongestMove);
}

base::Result<json> set_paused(Client& client, const std::string& name, bool paused) {
  return client.patch("/v1/slices/" + escape(name), json{{"paused", paused}});
}

// Until nothing of the slice is on the card: what was there cannot be taken back.
base::Status await_idle(Client& client, const State& state, base::Nanos since) {
  for (;;) {
    FLEXAI_TRY_ASSIGN(json answer, client.get("/v1/slices/" + escape(state.name) + "/explain"));
    // Without "use" its card is not there.
    const json use = answer.value("use", json::object());
    if (!use.value("in_flight", false) && !use.value("holder", false)) return {};
    if (static_cast<double>(base::monotonic_now() - since) / 1e9 > state.patience)
      return base::fail(base::Code::kUnavailable,
                        "slice " + state.name +
                            " is paused, but work it began before is still on the card; look "
                            "again with `flexai explain " +
                            state.name + "`");
    ::usleep(500);
  }
}

}  // namespace

void add_pause(CLI::App& app, Shell& shell) {
  auto state = std::make_shared<State>();
  CLI::App* command = declare(
      app, shell, "pause", "give a slice no more time of its card until it is resumed",
      "  flexai slice pause trainer\n"
      "Its programs go on living and keep their memory; what they launch waits. Returns when\n"
      "the last work they began is over.\n");
  command->add_option("name", state->name, "name of the slice")->required()->type_name("NAME");
  add_timeout(command, *state, 86400);
  perform(command, shell, [&shell, state](Client& client) -> base::Status {
    const base::Nanos since = base::monotonic_now();
    FLEXAI_TRY_ASSIGN(json answer, set_paused(client, state->name, true));
    FLEXAI_TRY(await_idle(client, *state, since));
    const double took = static_cast<double>(base::monotonic_now() - since) / 1e6;
    answer["idle_after_ms"] = took;
    if (shell.json)
      print_json(answer);
    else
      printf("slice %s paused; the card was free of it after %.1f ms\n", state->name.c_str(), took);
    return {};
  });
}

namespace {

void print_moved(const char* what, const json& answer) {
  printf("slice %s %s; %s in %.1f ms\n", answer.value("name", "").c_str(), what,
         model::format_bytes(answer.value("moved_bytes", uint64_t{0})).c_str(),
         answer.value("took_ms", 0.0));
}

}  // namespace

void add_swap(CLI::App& app, Shell& shell) {
  auto state = std::make_shared<State>();
  auto to = std::make_shared<std::string>("memory");
  CLI::App* command = declare(
      app, shell, "swap", "take a slice's memory off its card until it is resumed",
      "  flexai slice swap trainer\n"
      "  flexai slice swap trainer --to disk\n"
      "Its programs live on and wait; the card's memory is free for other slices. Only for\n"
      "programs whose card is served: flexai run --isolation served, or --host.\n");
  command->add_option("name", state->name, "name of the slice")->required()->type_name("NAME");
  command->add_option("--to", *to, "memory (of the host) or disk")
      ->type_name("WHERE")
      ->check(CLI::IsMember({"memory", "disk"}));
  add_timeout(command, *state, 3600);
  perform(command, shell, [&shell, state, to](Client& client) -> base::Status {
    FLEXAI_TRY_ASSIGN(json answer, move(client, *state, "swap", *to));
    if (shell.json)
      print_json(answer);
    else
      print_moved(*to == "disk" ? "is on disk now" : "is in the host's memory now", answer);
    return {};
  });
}

void add_migrate(CLI::App& app, Shell& shell) {
  auto state = std::make_shared<State>();
  auto to = std::make_shared<std::string>();
  CLI::App* command = declare(
      app, shell, "migrate", "let a slice and its programs go on at another host",
      "  flexai slice migrate run-7 --to gpu2\n"
      "The other host needs a card like this one, and room. The programs run on, on hosts of "
      "their\n"
      "own (flexai run --host); they wait while their memory travels. Should anything fail, they\n"
      "stay here.\n");
  command->add_option("name", state->name, "name of the slice")->required()->type_name("NAME");
  command->add_option("--to", *to, "the host, gpu2 or gpu2:7700, as its programs reach it")
      ->required()
      ->type_name("HOST");
  add_timeout(command, *state, 3600);
  perform(command, shell, [&shell, state, to](Client& client) -> base::Status {
    FLEXAI_TRY_ASSIGN(json answer, move(client, *state, "migrate", *to));
    if (shell.json) {
      print_json(answer);
      return {};
    }
    print_moved(
        ("goes on as " + answer.value("slice", "") + " of " + answer.value("to", "")).c_str(),
        answer);
    return {};
  });
}

void add_resume(CLI::App& app, Shell& shell) {
  auto state = std::make_shared<State>();
  CLI::App* command = declare(app, shell, "resume", "let a paused or swapped slice go on",
                              "  flexai slice resume trainer\n");
  command->add_option("name", state->name, "name of the slice")->required()->type_name("NAME");
  perform(command, shell, [&shell, state](Client& client) -> base::Status {
    FLEXAI_TRY_ASSIGN(json answer, client.post("/v1/slices/" + escape(state->name) + "/resume",
                                               json::object(), kLongestMove));
    if (shell.json)
      print_json(answer);
    else
      print_moved("goes on", answer);
    return {};
  });
}

}  // namespace flexai::apps
