#include "apps/cli/commands.h"
#include "apps/cli/model_text.h"

namespace flexai::apps {

void add_man(CLI::App& app, Shell& shell) {
  CLI::App* command = declare(app, shell, "man", "print the man page",
                              "  flexai man | man -l -\n"
                              "  flexai man > /usr/local/share/man/man1/flexai.1\n");
  command->callback([&app] { printf("%s", man_page(app).c_str()); });
}

}  // namespace flexai::apps
