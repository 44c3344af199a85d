// Packer: one placement policy in the packing experiment. Tasks come one by one and never leave.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "sched/cluster.h"
#include "sched/fragment.h"

namespace flexai::apps::sim {

class Packer {
 public:
  virtual ~Packer() = default;
  // Chooses; the caller takes the room and then calls placed(). cpu_node kNone: fits nowhere.
  virtual sched::Placement place(sched::ShapeId shape) = 0;
  virtual void placed(sched::ShapeId, const sched::Placement&) {}
  virtual void left(sched::ShapeId, const sched::Placement&) {}
  // The demand that is charged for this one: whole cards for who knows no fractions.
  virtual sched::ShapeId charged(sched::ShapeId shape) { return shape; }
  virtual size_t moves() const { return 0; }          // of tasks already placed
  virtual int64_t remote_milli() const { return 0; }  // in use on another node than its processor
};

struct PackerInput {
  const sched::Cluster& cluster;
  const sched::ShapeTable& shapes;
  const sched::Fragment& published;  // target mix of the published policy
  uint64_t seed = 0;
};

// The six published policies; docs/scheduling.md has what each does.
std::vector<std::string> published_policies();  // "Random", "DotProd" ... in published order
std::unique_ptr<Packer> make_published(const std::string& name, const PackerInput& input);

// "kube": whole cards, first fit by name, as a device plugin hands them out; "kube-fractions":
// first fit by name with shares of cards. `shapes` outlives the packer.
std::vector<std::string> kube_policies();
std::unique_ptr<Packer> make_kube(const std::string& name, const sched::Cluster* cluster,
                                  sched::ShapeTable* shapes);

}  // namespace flexai::apps::sim
