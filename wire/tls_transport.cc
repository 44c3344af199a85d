#include "wire/tls_transport.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/mutex.h"
#include "base/openssl.h"
#include "wire/patience.h"
#include "wire/shared_key.h"
#include "wire/socket.h"
#include "wire/socket_wait.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::Fd;
using base::MutexLock;
using base::Nanos;
using base::Result;

namespace {

constexpr size_t kRecord = 16384;  // most bytes of a TLS record

// OpenSSL's own socket BIO writes in a way that raises SIGPIPE, which is not ours to raise.
int bio_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  auto fd = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
  ssize_t n = ::send(fd, data, static_cast<size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

int bio_read(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  auto fd = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
  ssize_t n = ::recv(fd, data, static_cast<size_t>(size), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(n);
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

int bio_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

const BIO_METHOD* quiet_socket() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "quiet socket");
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    BIO_meth_set_create(made, bio_create);
    return made;
  }();
  return method;
}

std::string name_in(X509* certificate) {
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  return name;
}

class TlsTransport final : public Transport {
 public:
  TlsTransport(Fd socket, base::SslPtr ssl, SocketWait wait, Peer peer,
               std::shared_ptr<TlsContext> context)
      : context_(std::move(context)),
        socket_(std::move(socket)),
        wait_(std::move(wait)),
        peer_(std::move(peer)) {
    MutexLock lock(mutex_);
    ssl_ = std::move(ssl);
  }

  Result<size_t> send(std::span<const iovec> parts) override {
    if (parts.empty()) return size_t{0};
    MutexLock lock(mutex_);
    // A record that did not fit must be offered again with its length; see Transport::send().
    if (offered_ == 0 && (parts.size() == 1 || parts[0].iov_len >= kRecord)) {
      return write(parts[0].iov_base, std::min(parts[0].iov_len, kRecord));
    }
    if (offered_ == 0) {
      for (const iovec& part : parts) {
        size_t size = std::min(part.iov_len, kRecord - offered_);
        if (size != 0) std::memcpy(gathered_.data() + offered_, part.iov_base, size);
        offered_ += size;
      }
    }
    auto sent = write(gathered_.data(), offered_);
    if (!sent.ok() || *sent != 0) offered_ = 0;
    return sent;
  }

  Result<size_t> receive(std::span<std::byte> into) override {
    MutexLock lock(mutex_);
    size_t total = 0;
    // What OpenSSL holds would not wake a wait on the socket.
    while (total < into.size()) {
      size_t got = 0;
      ERR_clear_error();
      int rc = SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &got);
      if (rc == 1) {
        total += got;
        continue;
      }
      int error = SSL_get_error(ssl_.get(), rc);
      if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) break;
      if (total != 0) break;
      return over("receiving from ");
    }
    pending_.store(SSL_has_pending(ssl_.get()) != 0 && total == into.size(),
                   std::memory_order_release);
    return total;
  }

  void wait(unsigned events, Nanos deadline) override {
    if ((events & kReadable) != 0 && pending_.load(std::memory_order_acquire)) return;
    wait_.wait(socket_.get(), events, deadline);
  }
  void wake() override { wait_.wake(); }
  void shutdown() override { ::shutdown(socket_.get(), SHUT_RDWR); }
  void finish_sending() override { ::shutdown(socket_.get(), SHUT_WR); }
  const Peer& peer() const override { return peer_; }

 private:
  Result<size_t> write(const void* data, size_t size) FLEXAI_REQUIRES(mutex_) {
    size_t sent = 0;
    ERR_clear_error();
    int rc = SSL_write_ex(ssl_.get(), data, size, &sent);
    if (rc == 1) return sent;
    int error = SSL_get_error(ssl_.get(), rc);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return size_t{0};
    return over("sending to ");
  }

  base::Error over(const char* what) const {
    return base::openssl_error(Code::kUnavailable, what + peer_.name);
  }

  const std::shared_ptr<TlsContext> context_;  // `ssl_` calls it
  const Fd socket_;
  SocketWait wait_;
  const Peer peer_;
  base::Mutex mutex_;
  base::SslPtr ssl_ FLEXAI_GUARDED_BY(mutex_);
  size_t offered_ FLEXAI_GUARDED_BY(mutex_) = 0;  // of gathered_, not taken yet
  std::array<std::byte, kRecord> gathered_ FLEXAI_GUARDED_BY(mutex_);
  std::atomic<bool> pending_{true};  // the handshake may have read more than its own
};

base::Status finish_handshake(SSL* ssl, int socket, const std::string& name, Nanos deadline) {
  Patience patience(deadline, base::monotonic_now());
  for (;;) {
    ERR_clear_error();
    int rc = SSL_do_handshake(ssl);
    if (rc == 1) return {};
    int error = SSL_get_error(ssl, rc);
    short events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
      const Nanos now = base::monotonic_now();
      if (patience.over(now))
        return fail(Code::kTimeout, name + " does not finish the TLS handshake");
      wait_socket(socket, events, -1, patience.next(now));
      continue;
    }
    // A host with too many at its door closes without a word.
    if (SSL_is_server(ssl) == 0 && BIO_number_read(SSL_get_rbio(ssl)) == 0)
      return fail(Code::kExhausted, name + " turned the connection away before the TLS handshake");
    long verdict = SSL_get_verify_result(ssl);
    if (verdict != X509_V_OK)
      return fail(Code::kDenied, "certificate of " + name +
                                     " is not accepted: " + X509_verify_cert_error_string(verdict));
    if (error == SSL_ERROR_SYSCALL)
      return fail(Code::kUnavailable, name + " broke off the TLS handshake");
    return base::openssl_error(Code::kDenied, "TLS handshake with " + name);
  }
}

}  // namespace

Result<std::unique_ptr<Transport>> shake_hands(Fd socket, NewTls tls, const std::string& host,
                                               bool anybody, Nanos deadline) {
  base::SslPtr ssl(tls.ssl);
  BIO* bio = BIO_new(quiet_socket());
  if (bio == nullptr) return base::openssl_error(Code::kInternal, "TLS");
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(socket.get())));
  SSL_set_bio(ssl.get(), bio, bio);
  Peer peer = peer_of(socket.get(), Carrier::kTls);
  if (!host.empty()) peer.name = "tls:" + host + " (" + peer.name.substr(4) + ")";
  FLEXAI_TRY(finish_handshake(ssl.get(), socket.get(), peer.name, deadline));
  base::CertPtr certificate(SSL_get1_peer_certificate(ssl.get()));
  if (certificate == nullptr) peer.key = key_proved(ssl.get());
  if (certificate == nullptr && peer.key.empty() && !anybody)
    return fail(Code::kDenied, peer.name + " shows no certificate");
  if (certificate != nullptr) {
    peer.subject = name_in(certificate.get());
    peer.identity = "certificate of " + peer.subject;
    if (host.empty()) peer.name += " " + peer.subject;
  }
  FLEXAI_TRY_ASSIGN(SocketWait wait, SocketWait::make());
  return std::unique_ptr<Transport>(new TlsTransport(
      std::move(socket), std::move(ssl), std::move(wait), std::move(peer), std::move(tls.context)));
}

}  // namespace flexai::wire
