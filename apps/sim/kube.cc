#include "apps/sim/packer.h"
#include "sched/cost_table.h"

namespace flexai::apps::sim {
namespace {

using sched::NodeId;
using sched::NodeState;
using sched::Shape;

class FirstFit : public Packer {
 public:
  FirstFit(bool whole, const sched::Cluster* cluster, sched::ShapeTable* shapes)
      : whole_(whole), cluster_(*cluster), shapes_(*shapes) {}

  sched::ShapeId charged(sched::ShapeId id) override {
    if (!whole_ || shapes_[id].cards == 0) return id;
    Shape s = shapes_[id];
    s.milli = sched::kWholeCard;
    return shapes_.intern(s);
  }

  sched::Placement place(sched::ShapeId id) override {
    const sched::ShapeId own = charged(id);
    if (own >= tables_.size()) tables_.resize(own + 1);
    const Shape s = shapes_[own];
    tables_[own].refresh(cluster_, 1, sched::need_of(s), sched::kAnyModel, &wake_, &scratch_,
                         [&](NodeId n) -> sched::Cost {
                           const NodeState& node = cluster_[n];
                           const bool fits =
                               node.cpu_free >= s.cpu_milli && node.memory_free >= s.memory_mib &&
                               (s.cards == 0 || (s.models >> node.model & 1) != 0) &&
                               (s.cards > 1 ? node.whole >= s.cards : node.most >= s.milli);
                           return fits ? 0 : sched::kInfeasible;
                         });
    const NodeId n = tables_[own].best();
    if (n == sched::kNone) return {};
    sched::Placement at{n, n, 0};
    int left = s.cards;
    for (int i = 0; i < cluster_[n].cards && left > 0; ++i)
      if (cluster_[n].free[i] >= s.milli) at.cards |= 1u << i, --left;
    return at;
  }

 private:
  bool whole_;
  const sched::Cluster& cluster_;
  sched::ShapeTable& shapes_;
  std::vector<sched::CostTable> tables_;
  std::vector<NodeId> scratch_;
  sched::Wake wake_;
};

}  // namespace

std::vector<std::string> kube_policies() { return {"kube", "kube-fractions"}; }

std::unique_ptr<Packer> make_kube(const std::string& name, const sched::Cluster* cluster,
                                  sched::ShapeTable* shapes) {
  if (name != "kube" && name != "kube-fractions") return nullptr;
  return std::make_unique<FirstFit>(name == "kube", cluster, shapes);
}

}  // namespace flexai::apps::sim
