#include <sys/ioctl.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/commands.h"
#include "apps/cli/host_option.h"
#include "apps/cli/table.h"
#include "apps/cli/top_view.h"

namespace flexai::apps {
namespace {

using nlohmann::json;

struct State {
  bool once = false;
  double interval = 1;
  HostOption host;
};

std::pair<size_t, size_t> terminal_size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return {80, 24};
  return {size.ws_col, size.ws_row};
}

// One write a frame: clear each line's rest and what is below, so that nothing flickers.
void draw(const std::vector<std::string>& lines) {
  std::string frame = "\x1b[H";
  for (size_t i = 0; i < lines.size(); ++i)
    frame += lines[i] + "\x1b[K" + (i + 1 < lines.size() ? "\n" : "");
  frame += "\x1b[J";
  fwrite(frame.data(), 1, frame.size(), stdout);
  fflush(stdout);
}

base::Status show(const Shell& shell, const State& state, Client& client) {
  FLEXAI_TRY(state.host.apply(client));
  const bool live = !state.once && !shell.json && ::isatty(STDOUT_FILENO) != 0;
  if (live) printf("\x1b[2J");
  for (;;) {
    FLEXAI_TRY_ASSIGN(json answer, client.get("/v1/top"));
    if (shell.json) {
      print_json(answer);
    } else if (live) {
      auto [width, height] = terminal_size();
      draw(top_lines(answer, width, height));
    } else {
      for (const auto& line : top_lines(answer, 0, 0)) printf("%s\n", line.c_str());
    }
    if (state.once || (!live && !shell.json)) return {};
    ::usleep(static_cast<useconds_t>(state.interval * 1e6));
  }
}

}  // namespace

void add_top(CLI::App& app, Shell& shell) {
  auto state = std::make_shared<State>();
  CLI::App* command =
      declare(app, shell, "top", "live: what each slice was promised, and what it gets",
              "  flexai top\n  flexai top --once\n"
              "  flexai top --json            one JSON line a second, until stopped\n"
              "  flexai top --host gpu1\n");
  state->host.add_to(command, "the slices of another host");
  command->add_flag("--once", state->once, "print once and leave");
  command->add_option("--interval", state->interval, "seconds between two looks (default 1)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.1, 3600.0));
  perform(command, shell, [&shell, state](Client& client) { return show(shell, *state, client); });
}

}  // namespace flexai::apps
