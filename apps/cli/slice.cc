#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/commands.h"
#include "apps/cli/slice_options.h"
#include "apps/cli/table.h"
#include "apps/cli/wait.h"
#include "model/quantity.h"

namespace flexai::apps {
namespace {

using nlohmann::json;

struct State {
  std::string name;
  SliceOptions options;
  Wait wait;
  bool names_only = false;
  bool force = false;
};

void print_slice(const json& s) {
  auto line = [](const char* title, const std::string& value) {
    printf("%-10s %s\n", title, value.c_str());
  };
  line("name", s.value("name", ""));
  line("card", s.value("card", ""));
  line("qos", s.value("qos", ""));
  line("compute", format_milli(s.value("compute_milli", 0u)));
  line("ceiling", format_milli(s.value("ceiling_milli", 0u)));
  line("memory", model::format_bytes(s.value("memory_bytes", uint64_t{0})));
  line("priority", s.value("priority", ""));
  line("owner", "uid " + std::to_string(s.value("owner_uid", 0u)));
  std::string pids;
  for (const json& pid : s["processes"]) pids += (pids.empty() ? "" : " ") + pid.dump();
  line("processes", pids.empty() ? "none" : pids);
  if (s.value("residency", "card") != "card")
    line("swapped", "to " + s.value("residency", "") + "; `flexai slice resume` brings it back");
  if (s.value("paused", false)) line("paused", "yes; `flexai slice resume` lets it go on");
  if (!s.value("trouble", "").empty()) line("trouble", s.value("trouble", ""));
}

std::string state_of(const json& s) {
  const std::string trouble = s.value("trouble", "");
  if (!trouble.empty()) return trouble;
  if (s.value("residency", "card") != "card")
    return s.value("residency", "") == "disk" ? "on disk" : "in memory";
  return s.value("paused", false) ? "paused" : "";
}

void print_list(const json& slices) {
  std::vector<std::vector<std::string>> rows;
  for (const json& s : slices)
    rows.push_back({s.value("name", ""), s.value("card", ""), s.value("qos", ""),
                    format_milli(s.value("compute_milli", 0u)),
                    format_milli(s.value("ceiling_milli", 0u)),
                    model::format_bytes(s.value("memory_bytes", uint64_t{0})),
                    s.value("priority", ""), std::to_string(s["processes"].size()), state_of(s)});
  if (rows.empty()) {
    printf("no slices; make one with `flexai slice create NAME --compute 30%%`\n");
    return;
  }
  print_table({{"NAME"},
               {"CARD"},
               {"QOS"},
               {"COMPUTE", true},
               {"CEILING", true},
               {"MEMORY", true},
               {"PRIORITY"},
               {"PROCESSES", true},
               {"STATE"}},
              rows);
}

void print_stopped(const std::string& name, const json& answer) {
  std::string stopped;
  for (const json& one : answer["stopped"])
    stopped += (stopped.empty() ? "; stopped " : ", ") + one.get<std::string>();
  printf("slice %s deleted%s; %s returned\n", name.c_str(), stopped.c_str(),
         model::format_bytes(answer.value("returned_bytes", uint64_t{0})).c_str());
}

void add_create(CLI::App& app, Shell& shell, const std::shared_ptr<State>& state) {
  CLI::App* command = declare(
      app, shell, "create", "make a slice that stays until it is deleted",
      "  flexai slice create trainer --compute 30% --memory 1GiB\n"
      "  flexai slice create web --card pocl-0 --compute 20% --ceiling 80% --priority high\n"
      "  flexai slice create batch --qos besteffort --memory 2GiB\n");
  command->add_option("name", state->name, "name of the slice")->required()->type_name("NAME");
  state->options.add_to(command, true);
  state->wait.add_to(command);
  perform(command, shell, [&shell, state](Client& client) -> base::Status {
    FLEXAI_TRY_ASSIGN(json body, state->options.to_json());
    body["name"] = state->name;
    FLEXAI_TRY_ASSIGN(
        json answer, client.post("/v1/slices" + state->wait.query(), body, state->wait.patience()));
    if (shell.json)
      print_json(answer);
    else
      printf("slice %s on %s: compute %s, memory %s\n", answer.value("name", "").c_str(),
             answer.value("card", "").c_str(),
             format_milli(answer.value("compute_milli", 0u)).c_str(),
             model::format_bytes(answer.value("memory_bytes", uint64_t{0})).c_str());
    return {};
  });
}

void add_set(CLI::App& app, Shell& shell, const std::shared_ptr<State>& state) {
  CLI::App* command = declare(app, shell, "set", "change a slice while its programs run",
                              "  flexai slice set trainer --compute 50%\n"
                              "  flexai slice set trainer --memory 2GiB --priority high\n");
  command->add_option("name", state->name, "name of the slice")->required()->type_name("NAME");
  state->options.add_to(command, false);
  perform(command, shell, [&shell, state](Client& client) -> base::Status {
    FLEXAI_TRY_ASSIGN(json body, state->options.to_json());
    if (body.empty())
      return base::fail(base::Code::kInvalid,
                        "nothing to change; give --compute, --memory, "
                        "--ceiling, --qos or --priority");
    FLEXAI_TRY_ASSIGN(json answer, client.patch("/v1/slices/" + escape(state->name), body));
    if (shell.json) print_json(answer);
    return {};
  });
}

void add_list(CLI::App& app, Shell& shell, const std::shared_ptr<State>& state) {
  CLI::App* command = declare(app, shell, "list", "all slices of this host",
                              "  flexai slice list\n  flexai slice list --names\n");
  command->add_flag("--names", state->names_only, "names only, one a line");
  perform(command, shell, [&shell, state](Client& client) -> base::Status {
    FLEXAI_TRY_ASSIGN(json answer, client.get("/v1/slices"));
    if (shell.json) {
      print_json(answer);
    } else if (state->names_only) {
      for (const json& s : answer["slices"]) printf("%s\n", s.value("name", "").c_str());
    } else {
      print_list(answer["slices"]);
    }
    return {};
  });
}

void add_show(CLI::App& app, Shell& shell, const std::shared_ptr<State>& state) {
  CLI::App* command =
      declare(app, shell, "show", "one slice and its processes", "  flexai slice show trainer\n");
  command->add_option("name", state->name, "name of the slice")->required()->type_name("NAME");
  perform(command, shell, [&shell, state](Client& client) -> base::Status {
    FLEXAI_TRY_ASSIGN(json answer, client.get("/v1/slices/" + escape(state->name)));
    if (shell.json)
      print_json(answer);
    else
      print_slice(answer);
    return {};
  });
}

void add_delete(CLI::App& app, Shell& shell, const std::shared_ptr<State>& state) {
  CLI::App* command =
      declare(app, shell, "delete", "delete a slice",
              "  flexai slice delete trainer\n"
              "  flexai slice delete trainer --force\n"
              "Without --force a slice that something runs in stays, and who uses it is named.\n");
  command->add_option("name", state->name, "name of the slice")->required()->type_name("NAME");
  command->add_flag("--force", state->force, "stop (SIGKILL) whatever runs in it first");
  perform(command, shell, [&shell, state](Client& client) -> base::Status {
    const std::string path = "/v1/slices/" + escape(state->name);
    FLEXAI_TRY_ASSIGN(json answer, client.remove(path + (state->force ? "?force=1" : "")));
    if (shell.json)
      print_json(answer);
    else if (state->force)
      print_stopped(state->name, answer);
    return {};
  });
}

}  // namespace

void add_slice(CLI::App& app, Shell& shell) {
  CLI::App* slice = app.add_subcommand("slice", "make, change, pause, list and delete slices");
  slice->require_subcommand(1);
  for (auto add : {add_create, add_set, add_list, add_show, add_delete})
    add(*slice, shell, std::make_shared<State>());
  add_pause(*slice, shell);
  add_swap(*slice, shell);
  add_migrate(*slice, shell);
  add_resume(*slice, shell);
}

}  // namespace flexai::apps
