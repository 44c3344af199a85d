#include <map>
#include "agent/keeper.h"
namespace flexai::agent {
static std::map<std::string, base::Fd> g;
base::Result<Keeper> Keeper::connect(const std::string&, const std::string&) {
  return Keeper(base::Fd());
}
base::Status Keeper::put(const std::string& n, int fd) {
  base::Fd t(fd);
  auto d = t.duplicate();
  t.release();
  g[n] = std::move(*d);
  return {};
}
base::Result<base::Fd> Keeper::get(const std::string& n) {
  if (!g.count(n)) return base::fail(base::Code::kNotFound, "no");
  return g[n].duplicate();
}
base::Result<std::vector<std::string>> Keeper::list() {
  std::vector<std::string> r;
  for (auto& [k, v] : g) r.push_back(k);
  return r;
}
base::Status Keeper::drop(const std::string& n) {
  g.erase(n);
  return {};
}
}  // namespace flexai::agent
