/* yolk: the command line tool. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static volatile sig_atomic_t signal_seen;

int interrupted(void)
{
    return signal_seen;
}

static void on_signal(int number)
{
    signal_seen = number;
}

/* The first signal asks for a clean end; the handler is gone after it, so that a second one kills. */
static void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND | SA_RESTART}, old;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        if (numbers[i] == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
            continue; /* nohup */
        sigaction(numbers[i], &action, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
}

/* A closed standard stream would let the next file opened take its number, and with it what is printed. */
static void fill_standard_streams(void)
{
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
        if (fcntl(i, F_GETFD) < 0 && errno == EBADF && open("/dev/null", i == STDIN_FILENO ? O_RDONLY : O_WRONLY) != i)
            return;
}

/* A reader that went away, as `head` does, has what it wanted: status 1 for scripts, but no words about it. */
static int finish_standard_output(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno == EPIPE)
        return STATUS_FAILED;
    return fail("standard output: %s", errno ? strerror(errno) : "could not be written");
}

int command_version(const arguments *args)
{
    (void)args;
    printf("yolk %s\n", yolk_version());
    return STATUS_DONE;
}

const command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int unknown_command(const char *word)
{
    const char *names[16];
    size_t count = 0;
    for (size_t i = 0; i < command_count && count < COUNT(names); i++)
        names[count++] = commands[i].name;
    const char *meant = suggest(word, names, count);
    if (word[0] == '-')
        return fail_usage(NULL, "a command comes before the options: yolk COMMAND %s", word);
    if (meant)
        return fail_usage(NULL, "unknown command '%s'; did you mean '%s'?", word, meant);
    if (path_exists(word))
        return fail_usage(NULL, "'%s' is not a command; to find objects in it: yolk detect %s", word, word);
    return fail_usage(NULL, "unknown command '%s'", word);
}

static int run(int argc, char **argv)
{
    arguments args = {0};
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name) {
        command_help(&args);
        return STATUS_USAGE;
    }
    if (strcmp(name, "complete") == 0)
        return complete(argc - 2, argv + 2);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    args.command = command_find(name);
    if (!args.command)
        return unknown_command(name);
    int status = arguments_parse(&args, argc, argv);
    if (status == STATUS_DONE && args.values[OPT_HELP]) {
        args.inputs[0] = args.command->name;
        args.input_count = 1;
        status = command_help(&args);
    } else if (status == STATUS_DONE && args.values[OPT_VERSION]) {
        status = command_version(&args);
    } else if (status == STATUS_DONE) {
        status = args.command->run(&args);
    }
    arguments_free(&args);
    return status;
}

int main(int argc, char **argv)
{
    fill_standard_streams();
    catch_signals();
    yolk_log_set(report_log, NULL, YOLK_LOG_WARNING);
    int status = finish_standard_output(run(argc, argv));
    yolk_log_set(NULL, NULL, YOLK_LOG_ERROR);
    return status;
}
