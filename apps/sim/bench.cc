#include "apps/sim/commands.h"
namespace flexai::apps::sim {
void add_bench(CLI::App&, Session&) {}
}  // namespace flexai::apps::sim
