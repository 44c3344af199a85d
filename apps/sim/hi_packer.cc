#include "apps/sim/hi_packer.h"

#include "sched/passes/defrag.h"
#include "sched/placer.h"

namespace flexai::apps::sim {
namespace {

// openb has no network: every task may use a remote card, at a cost that makes it the last resort,
// and so little of the cards may be remote.
constexpr int kRemotePenalty = 600;
constexpr int64_t kRemotePercent = 1;
constexpr int64_t kMovesPer1000 = 20;

class HiPacker : public Packer {
 public:
  HiPacker(bool remote, bool move, sched::Cluster* cluster, sched::ShapeTable* shapes, int models,
           sched::Policy policy)
      : cluster_(cluster), shapes_(shapes), remote_(remote), move_(move) {
    if (remote) policy.remote_most_milli = cluster->card_milli() * kRemotePercent / 100;
    placer_ = std::make_unique<sched::Placer>(cluster, shapes, policy, models);
  }

  sched::Placement place(sched::ShapeId id) override {
    const sched::ShapeId own = own_id(id);
    ++arrived_;
    placer_->learn(own);
    placer_->set_remote_used(remote_milli_);
    const sched::Placement at = placer_->place(own).at;
    if (at.cpu_node != sched::kNone || !move_) return at;
    if (static_cast<int64_t>(moves_) * 1000 >= kMovesPer1000 * arrived_) return at;
    const sched::passes::Room room =
        sched::passes::make_room(cluster_, placer_.get(), *shapes_, &residents_, own, {});
    if (!room.found) return at;
    for (const sched::passes::Move& m : room.moves) {
      const int32_t milli = (*shapes_)[residents_[m.resident].shape].total_milli();
      remote_milli_ += milli * (int{m.to.remote()} - int{m.from.remote()});
    }
    moves_ += room.moves.size();
    return room.at;
  }

  void placed(sched::ShapeId id, const sched::Placement& at) override {
    if (move_) residents_.add(own_id(id), at, static_cast<uint32_t>(arrived_), 0);
    if (at.remote()) remote_milli_ += (*shapes_)[id].total_milli();
  }
  void left(sched::ShapeId id, const sched::Placement& at) override {
    if (at.remote()) remote_milli_ -= (*shapes_)[id].total_milli();
  }
  size_t moves() const override { return moves_; }
  int64_t remote_milli() const override { return remote_milli_; }

 private:
  sched::ShapeId own_id(sched::ShapeId id) {
    if (!remote_) return id;
    sched::Shape s = (*shapes_)[id];
    s.reach = sched::Reach::kPreferLocal;
    s.remote_penalty = kRemotePenalty;
    return shapes_->intern(s);
  }

  sched::Cluster* cluster_;
  sched::ShapeTable* shapes_;
  bool remote_, move_;
  std::unique_ptr<sched::Placer> placer_;
  sched::Residents residents_;
  int64_t remote_milli_ = 0, arrived_ = 0;
  size_t moves_ = 0;
};

}  // namespace

std::vector<std::string> hi_policies() { return {"hi", "hi-remote", "hi-move"}; }

std::unique_ptr<Packer> make_hi(const std::string& name, sched::Cluster* cluster,
                                sched::ShapeTable* shapes, const Trace& trace,
                                sched::Policy constants) {
  return std::make_unique<HiPacker>(name != "hi", name == "hi-move", cluster, shapes,
                                    static_cast<int>(trace.models.size()), constants);
}

}  // namespace flexai::apps::sim
