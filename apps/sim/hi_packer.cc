#include "apps/sim/hi_packer.h"

#include "sched/placer.h"

namespace flexai::apps::sim {
namespace {

class HiPacker : public Packer {
 public:
  HiPacker(const std::string& name, sched::Cluster* cluster, sched::ShapeTable* shapes, int models)
      : cluster_(cluster), shapes_(shapes), remote_(name != "hi") {
    sched::Policy policy;
    if (remote_) policy.remote_most_milli = cluster->card_milli() / 100;
    placer_ = std::make_unique<sched::Placer>(cluster, shapes, policy, models);
  }

  sched::Placement place(sched::ShapeId id) override {
    const sched::ShapeId own = own_id(id);
    placer_->learn(own);
    placer_->set_remote_used(remote_milli_);
    return placer_->place(own).at;
  }
  void placed(sched::ShapeId id, const sched::Placement& at) override {
    if (at.remote()) remote_milli_ += (*shapes_)[id].total_milli();
  }
  int64_t remote_milli() const override { return remote_milli_; }

 private:
  sched::ShapeId own_id(sched::ShapeId id) {
    if (!remote_) return id;
    sched::Shape s = (*shapes_)[id];
    s.reach = sched::Reach::kPreferLocal;
    s.remote_penalty = penalty_;
    return shapes_->intern(s);
  }

  sched::Cluster* cluster_;
  sched::ShapeTable* shapes_;
  bool remote_;
  int penalty_ = 100;
  std::unique_ptr<sched::Placer> placer_;
  int64_t remote_milli_ = 0;
};

}  // namespace

std::vector<std::string> hi_policies() { return {"hi", "hi-remote"}; }

std::unique_ptr<Packer> make_hi(const std::string& name, sched::Cluster* cluster,
                                sched::ShapeTable* shapes, const Trace& trace) {
  return std::make_unique<HiPacker>(name, cluster, shapes, static_cast<int>(trace.models.size()));
}

}  // namespace flexai::apps::sim
