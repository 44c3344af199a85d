#include "apps/kubectl/ask.h"

#include <memory>

#include "apps/cli/exit_codes.h"
#include "apps/cli/model_text.h"
#include "apps/kubectl/objects.h"
#include "kube/names.h"
#include "model/json.h"

namespace flexai::apps {

using nlohmann::json;

namespace {

void print(const json& value) {
  printf("%s\n", value.dump(1, ' ', false, json::error_handler_t::replace).c_str());
}

// kubectl's way: a candidate a line, then what the shell is to do with them (4: offer no files).
std::string completions(const CLI::App& app, const std::vector<std::string>& words) {
  const std::string begun = words.empty() ? "" : words.back();
  const CLI::App* at = &app;
  for (size_t i = 0; i + 1 < words.size(); ++i)
    for (const CLI::App* sub : at->get_subcommands([](const CLI::App*) { return true; }))
      if (sub->get_name() == words[i]) {
        at = sub;
        break;
      }
  std::string lines;
  const auto offer = [&](const std::string& word) {
    if (word.starts_with(begun)) lines += word + "\n";
  };
  for (const CLI::App* sub : at->get_subcommands([](const CLI::App*) { return true; }))
    if (!sub->get_group().empty()) offer(sub->get_name());
  if (begun.starts_with("-"))
    for (const CLI::Option* option : at->get_options())
      for (const std::string& name : option->get_lnames()) offer("--" + name);
  return lines + ":4\n";
}

}  // namespace

CLI::App* Plugin::command(CLI::App& app, const std::string& name, const std::string& text,
                          Work work) {
  CLI::App* made = app.add_subcommand(name, text);
  made->add_flag("--json", json, "print JSON");
  made->add_option("--kubeconfig", kubeconfig, "how to reach the API server");
  made->add_option("--context", context, "of the kubeconfig; default the current one");
  made->callback([this, work] {
    auto done = [&]() -> base::Status {
      FLEXAI_TRY_ASSIGN(auto credentials, kube::find_credentials(kubeconfig, context));
      if (ns.empty()) ns = credentials.ns;
      FLEXAI_TRY_ASSIGN(auto client, kube::Client::make(std::move(credentials), {}));
      return work(*client);
    }();
    if (done.ok()) return;
    fprintf(stderr, "kubectl flexai: %s\n", done.error().message.c_str());
    code = exit_code(done.error().code);
  });
  return made;
}

base::Status Plugin::show(const View& view, const char* nothing) const {
  if (json)
    print(view.facts);
  else if (view.rows.empty())
    printf("%s\n", nothing);
  else
    print_table(view.columns, view.rows);
  return {};
}

base::Status Plugin::top(kube::Client& client) const {
  FLEXAI_TRY_ASSIGN(const Objects cards, all_of(client, kube::kResourceSlices));
  FLEXAI_TRY_ASSIGN(const Objects leases, all_of(client, kube::kXpuLeases));
  const View devices = devices_view(cards, leases), slices = slices_view(leases);
  if (json) {
    print({{"devices", devices.facts}, {"slices", slices.facts}});
    return {};
  }
  FLEXAI_TRY(show(devices, "no card; see that an agent runs on its node"));
  printf("\n");
  return show(slices, "no pod uses a card");
}

base::Status Plugin::explain(kube::Client& client) const {
  const std::string name = pod.starts_with("pod/") ? pod.substr(4) : pod;
  const kube::Reply reply = client.wait(kube::get_object(kube::kPods, {ns, name}));
  if (!reply.ok()) return reply.failure->error();
  FLEXAI_TRY_ASSIGN(const auto object, model::parse_json(reply.body));
  kube::ListOptions about{ns, "", "regarding.kind=Pod,regarding.name=" + name};
  const auto events = all_of(client, kube::kEvents, about);
  const Explained told = explain_pod(object, events.ok() ? *events : Objects{});
  if (json) {
    print({{"pod", name},
           {"namespace", ns},
           {"reason", told.reason},
           {"message", told.message},
           {"advice", told.advice}});
    return {};
  }
  printf("%s: %s\n", told.reason.c_str(), told.message.c_str());
  if (!told.advice.empty()) printf("%s\n", told.advice.c_str());
  return {};
}

void Plugin::add_to(CLI::App& app) {
  app.require_subcommand(1);
  command(app, "top", "cards, and the pods that use them",
          [this](kube::Client& client) { return top(client); });
  command(app, "devices", "the cards of all nodes", [this](kube::Client& client) -> base::Status {
    FLEXAI_TRY_ASSIGN(const Objects cards, all_of(client, kube::kResourceSlices));
    FLEXAI_TRY_ASSIGN(const Objects leases, all_of(client, kube::kXpuLeases));
    return show(devices_view(cards, leases), "no card; see that an agent runs on its node");
  });
  command(app, "slices", "what pods hold of the cards",
          [this](kube::Client& client) -> base::Status {
            FLEXAI_TRY_ASSIGN(const Objects leases, all_of(client, kube::kXpuLeases));
            return show(slices_view(leases), "no pod uses a card");
          });
  command(app, "queues", "queues, what they may and do use",
          [this](kube::Client& client) -> base::Status {
            FLEXAI_TRY_ASSIGN(const Objects queues, all_of(client, kube::kXpuQueues));
            return show(queues_view(queues), "no XpuQueue; pods are of the queue default");
          });
  command(app, "pools", "named sets of cards, what of them is free",
          [this](kube::Client& client) -> base::Status {
            FLEXAI_TRY_ASSIGN(const Objects pools, all_of(client, kube::kXpuPools));
            return show(pools_view(pools), "no XpuPool; docs/kubernetes.md says how to make one");
          });
  command(app, "usage", "NCU-hours of queues", [this](kube::Client& client) -> base::Status {
    FLEXAI_TRY_ASSIGN(const Objects queues, all_of(client, kube::kXpuQueues));
    return show(usage_view(queues), "no XpuQueue; use is counted by queue");
  });
  CLI::App* draining =
      command(app, "drain", "no new pods on a node's cards; evict those that use them",
              [this](kube::Client& client) { return drain(client, drained); });
  draining->add_option("node", drained.node, "whose cards")->required()->type_name("NODE");
  draining->add_flag("--undo", drained.undo, "let its cards take pods again");
  draining
      ->add_option_function<double>(
          "--timeout",
          [this](double seconds) { drained.timeout = static_cast<base::Nanos>(seconds * 1e9); },
          "seconds to wait; default: as long as it takes")
      ->check(CLI::Range(0.0, 1e6));
  CLI::App* explaining = command(app, "explain", "why a pod waits, and what to do",
                                 [this](kube::Client& client) { return explain(client); });
  explaining->add_option("pod", pod, "pod/NAME")->required();
  explaining->add_option("-n,--namespace", ns, "of the pod");
  auto shell = std::make_shared<std::string>();
  CLI::App* completion = app.add_subcommand("completion", "print the completion script of a shell");
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&app, shell] { printf("%s", completion_script(app, *shell).c_str()); });
  auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* complete = app.add_subcommand("complete", "")->group("");  // for kubectl
  complete->add_option("words", *words);
  complete->callback([&app, words] { printf("%s", completions(app, *words).c_str()); });
  app.add_subcommand("man", "print the man page")->callback([&app] {
    printf("%s", man_page(app).c_str());
  });
}

}  // namespace flexai::apps
