#include "kube/client.h"

#include <algorithm>
#include <future>

#include "kube/retry.h"

namespace flexai::kube {
namespace {

using base::Code;

// Also how long a call that waits for its turn may outlive its time-out.
constexpr base::Nanos kLongestSleep = base::kSecond;

std::string what_of(const Call& call) {
  return std::string(verb_name(call.verb)) + " " + call.path.substr(0, call.path.find('?'));
}

Failure failure_of_ending(const Ending& ending) {
  switch (ending.how) {
    case Ending::How::kTimeout:
      return no_answer(Code::kTimeout, ending.why, ending.unprocessed);
    case Ending::How::kDenied:
      return no_answer(Code::kDenied, ending.why, ending.unprocessed);
    default:
      return no_answer(Code::kUnavailable, ending.why, ending.unprocessed);
  }
}

}  // namespace

struct Client::Job {
  Job(Call call, base::Loop* loop, OnReply done, const ClientOptions& options)
      : call(std::move(call)),
        loop(loop),
        done(std::move(done)),
        backoff(options.first_backoff, options.most_backoff, fresh_seed()),
        deadline(base::monotonic_now() + this->call.timeout) {}

  Call call;
  base::Loop* const loop;
  OnReply done;
  Backoff backoff;
  const base::Nanos deadline;
  bool renewed = false;
};

// Collects the body of one attempt.
class Client::Answer final : public Exchange {
 public:
  Answer(Client& client, JobPtr job) : client_(client), job_(std::move(job)) {}

  void answered(int http, std::string_view retry_after) override {
    reply_.http = http;
    retry_after_ = retry_after;
  }
  bool data(std::string_view bytes) override {
    if (reply_.body.size() + bytes.size() > job_->call.most_body) too_large_ = true;
    if (!too_large_) reply_.body += bytes;
    return true;
  }
  void ended(const Ending& ending) override {
    if (ending.how != Ending::How::kComplete) {
      reply_.failure = failure_of_ending(ending);
    } else if (reply_.http < 200 || reply_.http > 299) {
      reply_.failure = failure_of(reply_.http, reply_.body, retry_after_);
    } else if (too_large_) {
      reply_.failure = no_answer(Code::kExhausted, "the answer is larger than allowed", false);
    }
    client_.answered(job_, std::move(reply_));
  }

 private:
  Client& client_;
  const JobPtr job_;
  Reply reply_;
  std::string retry_after_;
  bool too_large_ = false;
};

base::Result<std::unique_ptr<Client>> Client::make(Credentials credentials, ClientOptions options) {
  FLEXAI_TRY(check(credentials));
  if (options.transport.limits.clock == nullptr)
    options.transport.limits.clock = std::make_shared<ServerClock>();
  FLEXAI_TRY_ASSIGN(auto transport, Transport::make(credentials, options.transport));
  return std::unique_ptr<Client>(
      new Client(std::move(credentials), std::move(options), std::move(transport)));
}

Client::Client(Credentials credentials, ClientOptions options, std::unique_ptr<Transport> transport)
    : credentials_(std::move(credentials)),
      options_(std::move(options)),
      bucket_(options_.rate, options_.burst),
      transport_(std::move(transport)) {}

Client::~Client() {
  std::promise<void> closed;
  transport_->io().post([this, &closed] {
    closing_ = true;
    for (auto& queue : waiting_)
      for (const JobPtr& job : std::exchange(queue, {}))
        finish(job, {0, "", no_answer(Code::kUnavailable, "the client was closed", true)});
    for (const JobPtr& job : std::exchange(sleeping_, {}))
      finish(job, {0, "", no_answer(Code::kUnavailable, "the client was closed", true)});
    closed.set_value();
  });
  closed.get_future().wait();
  transport_.reset();
}

void Client::send(Call call, base::Loop* loop, OnReply done) {
  auto job = std::make_shared<Job>(std::move(call), loop, std::move(done), options_);
  transport_->io().post([this, job] { take(job); });
}

Reply Client::wait(Call call) {
  std::promise<Reply> promise;
  send(std::move(call), nullptr, [&promise](Reply reply) { promise.set_value(std::move(reply)); });
  return promise.get_future().get();
}

void Client::take(const JobPtr& job) {
  if (closing_)
    return finish(job, {0, "", no_answer(Code::kUnavailable, "the client was closed", true)});
  size_t waiting = waiting_[0].size() + waiting_[1].size() + waiting_[2].size();
  if (waiting >= options_.most_waiting && job->call.priority != Priority::kUrgent)
    return finish(job, {0, "", no_answer(Code::kExhausted, "too many calls wait already", true)});
  waiting_[static_cast<int>(job->call.priority)].push_back(job);
  pump();
}

void Client::drop_expired() {
  base::Nanos now = base::monotonic_now();
  if (now < swept_ + kLongestSleep) return;
  swept_ = now;
  for (auto& queue : waiting_) {
    std::deque<JobPtr> late;
    auto keep = std::stable_partition(queue.begin(), queue.end(),
                                      [now](const JobPtr& job) { return job->deadline > now; });
    std::move(keep, queue.end(), std::back_inserter(late));
    queue.erase(keep, queue.end());
    for (const JobPtr& job : late)
      finish(job,
             {0, "", no_answer(Code::kTimeout, "our own rate limit left no turn in time", true)});
  }
}

void Client::pump() {
  base::Nanos pause = 0;
  for (int priority = 0; priority < 3 && pause == 0;) {
    auto& queue = waiting_[priority];
    if (queue.empty()) {
      ++priority;
      continue;
    }
    if (priority > 0 && (pause = bucket_.take(base::monotonic_now())) != 0) break;
    JobPtr job = std::move(queue.front());
    queue.pop_front();
    attempt(job);
  }
  if (pause == 0 || std::exchange(timer_set_, true)) return;
  transport_->io().at(base::monotonic_now() + std::min(pause, kLongestSleep), [this] {
    timer_set_ = false;
    drop_expired();
    pump();
  });
}

void Client::attempt(const JobPtr& job) {
  Request request;
  request.method = verb_name(job->call.verb);
  request.path = job->call.path;
  request.body = job->call.body;  // a copy: it may have to be sent again
  if (!request.body.empty()) request.content_type = job->call.content_type;
  request.priority = job->call.priority;
  request.deadline = job->deadline;
  ++counts_.sent;
  if (job->call.verb != Call::Verb::kGet) ++counts_.writes;
  transport_->open(std::move(request), std::make_shared<Answer>(*this, job));
}

void Client::answered(const JobPtr& job, Reply reply) {
  if (reply.http == 429) ++counts_.throttled;
  if (!closing_ && !reply.ok() && again(job, *reply.failure)) return;
  finish(job, std::move(reply));
}

// Arranges for another attempt when there is to be one.
bool Client::again(const JobPtr& job, const Failure& failure) {
  if (failure.http == 401) {
    if (std::exchange(job->renewed, true) || !transport_->renew_token()) return false;
    ++counts_.repeated;
    attempt(job);
    return true;
  }
  if (!may_repeat(job->call, failure) || job->backoff.tried() + 1 >= options_.most_attempts)
    return false;
  base::Nanos when = base::monotonic_now() + std::max(job->backoff.next(), failure.retry_after);
  if (when >= job->deadline) return false;
  ++counts_.repeated;
  sleeping_.insert(job);
  transport_->io().at(when, [this, job] {
    if (sleeping_.erase(job) != 0) take(job);
  });
  return true;
}

void Client::finish(const JobPtr& job, Reply reply) {
  if (reply.failure) {
    ++counts_.failed;
    reply.failure->message = what_of(job->call) + ": " + reply.failure->message;
  }
  OnReply done = std::move(job->done);
  if (job->loop == nullptr) return done(std::move(reply));
  auto shared = std::make_shared<Reply>(std::move(reply));
  job->loop->post([done = std::move(done), shared] { done(std::move(*shared)); });
}

}  // namespace flexai::kube
