#include <unistd.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "apps/cli/commands.h"
#include "apps/cli/granted.h"
#include "apps/cli/host_option.h"
#include "apps/cli/program.h"
#include "apps/cli/slice_options.h"
#include "apps/cli/wait.h"
#include "base/clock.h"

namespace flexai::apps {
namespace {

using base::Code;
using base::fail;
using nlohmann::json;

constexpr base::Nanos kSettled = 2 * base::kSecond;

struct State {
  std::vector<std::string> slices;
  SliceOptions options;
  Wait wait;
  std::string isolation;  // empty: direct, of another host served
  HostOption host;
  std::vector<std::string> program;
};

base::Result<json> request_body(const State& state) {
  if (state.program.empty())
    return fail(Code::kInvalid,
                "no program given; write it after --, as in `flexai run --compute "
                "30% -- python train.py`");
  if (!state.slices.empty() && state.options.any())
    return fail(Code::kInvalid,
                "--slice names a slice that exists; change it with `flexai slice "
                "set`, or leave --slice out");
  std::string line;
  for (const auto& word : state.program) line += (line.empty() ? "" : " ") + word;
  json body = {{"command", line.substr(0, 200)}};
  if (!state.isolation.empty()) body["isolation"] = state.isolation;
  if (!state.slices.empty()) {
    body["slices"] = state.slices;
    return body;
  }
  if (!state.options.any())
    return fail(Code::kInvalid,
                "say what the program may use: --compute 30% (and --memory 1GiB), "
                "or --slice NAME");
  FLEXAI_TRY_ASSIGN(body["slice"], state.options.to_json());
  return body;
}

void apply_environment(const json& variables) {
  for (const json& variable : variables) {
    std::string name = variable.value("name", ""), value = variable.value("value", "");
    const char* present = ::getenv(name.c_str());
    if (variable.value("how", "set") == "prepend" && present != nullptr && *present != 0)
      value += std::string(":") + present;
    ::setenv(name.c_str(), value.c_str(), 1);
  }
}

// On cards of other hosts.
base::Status run_there(Shell& shell, const State& state) {
  if (state.isolation == "direct")
    return fail(Code::kInvalid,
                "a card of another host is always served; leave out --isolation direct");
  if (!state.slices.empty())
    return fail(Code::kInvalid,
                "--slice is for slices of this host; say what the program may use of the other "
                "host's card: --compute 30% (and --memory 1GiB)");
  FLEXAI_TRY_ASSIGN(json body, request_body(state));
  FLEXAI_TRY_ASSIGN(const auto hosts, hosts_in(state.host.host));
  Granted granted(hosts, state.host.pki);
  FLEXAI_TRY(granted.ask("/v1/runs" + state.wait.query(), body, state.wait.patience()));
  FLEXAI_TRY_ASSIGN(shell.code, run_program(state.program));
  return {};
}

// Until its slice is free for whoever comes next: a worker ends after its program. Processes that
// the program left behind keep the slice, and are not waited for.
void wait_until_gone(Client& client, const std::string& path) {
  const base::Nanos deadline = base::monotonic_now() + kSettled;
  while (base::monotonic_now() < deadline) {
    auto left = client.get(path);
    if (!left.ok() || !left->value("processes", json::array()).empty()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

base::Status run(Shell& shell, const State& state, Client& client) {
  if (!state.host.host.empty()) return run_there(shell, state);
  FLEXAI_TRY_ASSIGN(json body, request_body(state));
  FLEXAI_TRY_ASSIGN(json run,
                    client.post("/v1/runs" + state.wait.query(), body, state.wait.patience()));
  const std::string path = "/v1/runs/" + std::to_string(run.value("id", uint64_t{0}));
  apply_environment(run["environment"]);
  auto code = run_program(state.program);
  // Ends the run; tells at the same time what the agent had to stop.
  auto end = client.remove(path);
  if (end.ok() && end->contains("stopped"))
    for (const json& stopped : (*end)["stopped"])
      fprintf(stderr, "flexai: %s\n", stopped.value("reason", "a process was stopped").c_str());
  if (end.ok()) wait_until_gone(client, path);
  FLEXAI_TRY_ASSIGN(shell.code, std::move(code));
  return {};
}

}  // namespace

void add_run(CLI::App& app, Shell& shell) {
  auto state = std::make_shared<State>();
  CLI::App* command =
      declare(app, shell, "run",
              "run a program inside a slice: flexai run [OPTIONS] -- PROGRAM [ARGUMENTS]",
              "  flexai run --compute 30% --memory 1GiB -- python train.py\n"
              "  flexai run --slice trainer -- hashcat -m 0 -a 3 HASH '?l?l?l?l?l'\n"
              "  flexai run --compute 50% --wait -- ./job.sh\n"
              "  flexai run --host gpu1 --compute 30% --memory 1GiB -- python train.py\n"
              "  flexai run --host gpu1,gpu2 --compute 30% --memory 1GiB -- python train.py\n"
              "A process that uses a card without Flexai's layer (another loader, a cleared\n"
              "environment) cannot be limited and is stopped within a second.\n");
  command->add_option("--slice", state->slices, "slice to run in; one for each card (repeatable)")
      ->type_name("NAME")
      ->allow_extra_args(false);
  state->options.add_to(command, true);
  state->wait.add_to(command);
  command
      ->add_option("--isolation", state->isolation,
                   "direct (default): the driver runs in the program, limited by a layer; served: "
                   "it runs in a worker, and the program has none")
      ->check(CLI::IsMember({"direct", "served"}));
  state->host.add_to(command,
                     "use a card of another host; of several: gpu1,gpu2 (each grants the same)");
  command->add_option("program", state->program, "the program and its arguments, after --")
      ->type_name("PROGRAM");
  perform(command, shell, [&shell, state](Client& client) { return run(shell, *state, client); });
}

}  // namespace flexai::apps
