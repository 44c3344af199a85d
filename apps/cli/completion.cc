#include <memory>

#include "apps/cli/commands.h"
#include "apps/cli/exit_codes.h"
#include "apps/cli/model_text.h"

namespace flexai::apps {

void add_completion(CLI::App& app, Shell& shell) {
  auto kind = std::make_shared<std::string>();
  CLI::App* command =
      declare(app, shell, "completion", "print the completion script of a shell",
              "  flexai completion bash > /etc/bash_completion.d/flexai\n"
              "  flexai completion zsh > ~/.zfunc/_flexai\n"
              "  flexai completion fish > ~/.config/fish/completions/flexai.fish\n");
  command->add_option("shell", *kind, "bash, zsh or fish")
      ->required()
      ->type_name("SHELL")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&app, kind] { printf("%s", completion_script(app, *kind).c_str()); });
}

}  // namespace flexai::apps
