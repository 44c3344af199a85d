// The commands of `kubectl flexai` and how they ask the API server: with the credentials that
// kubectl has. Threads: one. Errors are one line on standard error and an exit code of
// exit_codes.h.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "apps/kubectl/drain.h"
#include "apps/kubectl/views.h"
#include "base/result.h"
#include "kube/client.h"

namespace flexai::apps {

struct Plugin {
  std::string kubeconfig, context, ns, pod;
  DrainOptions drained;
  bool json = false;
  int code = 0;

  void add_to(CLI::App& app);

 private:
  using Work = std::function<base::Status(kube::Client&)>;
  CLI::App* command(CLI::App& app, const std::string& name, const std::string& text, Work work);
  base::Status show(const View& view, const char* nothing) const;
  base::Status top(kube::Client& client) const;
  base::Status explain(kube::Client& client) const;
};

}  // namespace flexai::apps
