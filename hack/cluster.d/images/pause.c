/* The first process of a pod: holds its namespaces, reaps what is left to it, and ends when asked to. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int signal) { (void)signal; _exit(0); }
static void reap(int signal) { (void)signal; while (waitpid(-1, NULL, WNOHANG) > 0) {} }

int main(void) {
    struct sigaction action = {.sa_flags = SA_NOCLDSTOP};
    action.sa_handler = leave;
    if (sigaction(SIGTERM, &action, NULL) || sigaction(SIGINT, &action, NULL)) return 1;
    action.sa_handler = reap;
    if (sigaction(SIGCHLD, &action, NULL)) return 1;
    for (;;) pause();
}
