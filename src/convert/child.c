/* Another program, run to its end. */
#include "convert/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_FILE = 16, PATIENCE_MS = 100 };

typedef struct running {
    const yk_child *c;
    pid_t pid;
    int files[4]; /* what it has as 0 to 3; its ends of the pipes are closed once it runs */
    int out, err; /* our ends, or -1 */
    char line[1024];
    size_t length;
} running;

static void close_file(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Out of the way of the numbers that the program's own files get. */
static int move_up(int fd)
{
    int moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FILE);
    close_file(&fd);
    return moved;
}

/* A file of these bytes that has no name, so that nothing can stay behind of it. */
static int memory_file(const void *bytes, size_t size)
{
    const char *at = bytes;
    int fd = move_up(memfd_create("yolk", MFD_CLOEXEC));
    while (fd >= 0 && size > 0) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            close_file(&fd);
            break;
        }
        at += n;
        size -= (size_t)n;
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

static bool make_pipe(int *reader, int *writer)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    *reader = move_up(ends[0]);
    *writer = move_up(ends[1]);
    return *reader >= 0 && *writer >= 0;
}

/* Between fork and exec only what is safe in a process whose other threads are gone. */
static void become(const running *r, pid_t parent)
{
    static const char failed[] = "the program could not be started\n";
    sigset_t none;
    for (int i = 0; i < 4; i++) {
        if (dup2(r->files[i], i) < 0)
            _exit(127);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    execv(r->c->arguments[0], (char *const *)r->c->arguments);
    if (write(2, failed, sizeof failed - 1) < 0)
        _exit(126);
    _exit(127);
}

static yolk_status start(running *r)
{
    const pid_t parent = getpid();
    r->files[0] = memory_file(r->c->input, r->c->input_size);
    r->files[3] = r->files[0] < 0 ? -1 : memory_file(r->c->extra, r->c->extra_size);
    if (r->files[3] < 0 || !make_pipe(&r->out, &r->files[1]) || !make_pipe(&r->err, &r->files[2]))
        return yk_fail_errno(errno, "%s", r->c->arguments[0]);
    r->pid = fork();
    if (r->pid < 0)
        return yk_fail_errno(errno, "%s", r->c->arguments[0]);
    if (r->pid == 0)
        become(r, parent);
    setpgid(r->pid, r->pid); /* both sides, so that it is done whoever comes first */
    for (int i = 0; i < 4; i++)
        close_file(&r->files[i]);
    return YOLK_OK;
}

static yolk_status take_lines(running *r, const char *bytes, size_t size)
{
    yolk_status status = YOLK_OK;
    for (size_t i = 0; i < size && status == YOLK_OK; i++) {
        if (bytes[i] != '\n') {
            if (r->length + 1 < sizeof r->line)
                r->line[r->length++] = bytes[i];
            continue;
        }
        r->line[r->length] = 0;
        r->length = 0;
        status = r->c->line(r->c->user, r->line);
    }
    return status;
}

/* What there is to be read of one pipe, which is closed at its end. */
static yolk_status take(running *r, int *fd)
{
    char bytes[65536];
    ssize_t n = read(*fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return YOLK_OK;
    if (n > 0)
        return fd == &r->out ? r->c->output(r->c->user, bytes, (size_t)n) : take_lines(r, bytes, (size_t)n);
    yolk_status status = fd == &r->err && r->length > 0 ? take_lines(r, "\n", 1) : YOLK_OK;
    close_file(fd);
    return status;
}

static yolk_status follow(running *r)
{
    yolk_status status = YOLK_OK;
    while (status == YOLK_OK && (r->out >= 0 || r->err >= 0)) {
        struct pollfd files[2] = {{.fd = r->out, .events = POLLIN}, {.fd = r->err, .events = POLLIN}};
        if (poll(files, 2, PATIENCE_MS) < 0 && errno != EINTR)
            return yk_fail_errno(errno, "%s", r->c->arguments[0]);
        /* Lines first: they may say what the output is. */
        if (files[1].revents)
            status = take(r, &r->err);
        if (status == YOLK_OK && files[0].revents)
            status = take(r, &r->out);
        if (status == YOLK_OK)
            status = r->c->wait(r->c->user);
    }
    return status;
}

/* Waits for its end, which a failure brings about. */
static yolk_status finish(running *r, yolk_status status, int *end)
{
    for (;;) {
        int how = 0;
        if (status != YOLK_OK) {
            kill(-r->pid, SIGKILL);
            kill(r->pid, SIGKILL);
        }
        pid_t pid = waitpid(r->pid, &how, status == YOLK_OK ? WNOHANG : 0);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid != 0) {
            *end = pid < 0 ? -1 : WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
            return status;
        }
        poll(NULL, 0, PATIENCE_MS / 10);
        status = r->c->wait(r->c->user);
    }
}

yolk_status yk_child_run(const yk_child *c, int *end)
{
    running r = {.c = c, .pid = -1, .files = {-1, -1, -1, -1}, .out = -1, .err = -1};
    *end = -1;
    yolk_status status = start(&r);
    if (status == YOLK_OK)
        status = finish(&r, follow(&r), end);
    for (int i = 0; i < 4; i++)
        close_file(&r.files[i]);
    close_file(&r.out);
    close_file(&r.err);
    return status;
}

char *yk_find_program(const char *name)
{
    if (strchr(name, '/'))
        return access(name, X_OK) == 0 ? yk_strdup(name) : NULL;
    const char *path = getenv("PATH");
    for (const char *at = path ? path : "/usr/bin:/bin"; *at;) {
        size_t length = strcspn(at, ":");
        char *found = yk_format("%.*s/%s", (int)length, at, name);
        if (!found)
            return NULL;
        /* An empty entry is the working folder, which is not searched. */
        if (length > 0 && yk_is_file(found) && access(found, X_OK) == 0)
            return found;
        yk_free(found);
        at += length + (at[length] == ':');
    }
    return NULL;
}
